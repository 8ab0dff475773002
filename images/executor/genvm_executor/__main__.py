"""`python -m genvm_executor`, see `command`."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    # What is imported stays: looking for garbage in it would cost milliseconds now and in every run.
    gc.disable()
    from genvm_executor.command import main

    gc.freeze()
    gc.enable()
    sys.exit(main(sys.argv[1:]))
