"""`python -m genvm_connector`, see `command`."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from genvm_connector.command import main

    sys.exit(main())
