"""Code shared by segharness's plugins for PyTorch models. `options`, `names` and `config_files` do not import torch."""
