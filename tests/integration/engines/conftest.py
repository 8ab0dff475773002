"""Starting an engine takes root, and its program."""

from __future__ import annotations

from tests.chaos.private_engine import possible

collect_ignore = [] if possible() else ["test_engine_kinds.py"]
