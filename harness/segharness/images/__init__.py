"""Encoded file -> pixels -> corrupted pixels, and the generator that all randomness comes from."""
