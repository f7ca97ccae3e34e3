"""Arguments that several commands share, and the way from them to values."""
