"""YOLACT and YOLACT++, run by their authors' own code, as models of segharness."""
