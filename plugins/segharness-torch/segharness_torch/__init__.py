"""Code shared by plugins of PyTorch models. `options`, `category_names` and `config_files` do not import torch."""
