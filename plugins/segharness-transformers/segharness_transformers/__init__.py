"""Segmentation models of Hugging Face transformers, as models of segharness."""
