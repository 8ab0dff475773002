"""`python -m genvm_web`: the web module as a program."""

from __future__ import annotations

import sys

from genvm_module import program
from genvm_web.service import WebModule


def main() -> int:
    """The exit code."""
    return program.run(WebModule())


if __name__ == "__main__":
    sys.exit(main())
