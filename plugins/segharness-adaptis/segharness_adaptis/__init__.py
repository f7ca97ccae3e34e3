"""AdaptIS in PyTorch: one point in, one mask out; trained on its toy problem."""
