"""BDD100K instance segmentation: images with bitmasks, or with the RLEs of the JSON files."""
