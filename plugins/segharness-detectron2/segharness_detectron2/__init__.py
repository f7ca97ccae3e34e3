"""detectron2's model zoo, as models of segharness."""
