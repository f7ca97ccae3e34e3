"""What segharness's plugins of PyTorch models share. `options` imports no torch; the other modules do."""
