"""What a user keeps on this machine: settings (`config`), and the folders for settings and caches (`user_dirs`)."""
