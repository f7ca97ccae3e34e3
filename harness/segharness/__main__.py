"""``python -m segharness``."""

from segharness.cli import main

raise SystemExit(main())
