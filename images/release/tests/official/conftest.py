from __future__ import annotations

import sys
from pathlib import Path

# An image's own package, which no environment has installed.
sys.path.insert(0, str(Path(__file__).parents[2]))
