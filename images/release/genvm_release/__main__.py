"""`python -m genvm_release`: the entry point of the image."""

from __future__ import annotations

import sys

from genvm_release.command import main

sys.exit(main(sys.argv[1:]))
