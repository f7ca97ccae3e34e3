"""Arguments that several commands share, and the functions that turn them into values."""
