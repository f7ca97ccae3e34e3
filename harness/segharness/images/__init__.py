"""Decodes and corrupts images. All randomness of the engine comes from the generator here."""
