"""`python -m genvm_llm`: the program of the llm module's container."""

from __future__ import annotations

import sys

from genvm_llm.service import LlmModule
from genvm_module import program
from genvm_wire.confinement import hide_memory


def main() -> int:
    """The exit code."""
    hide_memory()
    return program.run(LlmModule())


if __name__ == "__main__":
    sys.exit(main())
