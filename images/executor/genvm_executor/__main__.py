"""`python -m genvm_executor`, see `command`."""

from __future__ import annotations

import gc
import sys

if __name__ == "__main__":
    # The interpreter brings hashes that do: to load OpenSSL takes longer than all that is hashed here.
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]
    # What is imported stays: looking for garbage in it would cost milliseconds now and in every run.
    gc.disable()
    from genvm_executor.command import main

    gc.freeze()
    gc.enable()
    sys.exit(main(sys.argv[1:]))
