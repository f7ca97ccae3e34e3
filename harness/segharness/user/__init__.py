"""The user's settings on this machine (`config`), and the folders for settings and caches (`user_dirs`)."""
