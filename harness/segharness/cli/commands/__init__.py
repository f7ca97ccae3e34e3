"""Commands, one module each: `configure` adds a command's arguments, `execute` runs it and returns the exit code."""
