"""TensorFlow's SavedModels of instance segmentation networks, as models of segharness."""
