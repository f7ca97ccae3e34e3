"""What networks of the toy problem share: weights files, torch's randomness and threads. Needs the extra `networks`."""
