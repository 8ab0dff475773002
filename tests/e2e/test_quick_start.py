"""The commands of the quick start that show containers, as its readers type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from orchestrator.version import VERSION


def said(tmp_path: Path, *words: str) -> str:
    """What a command prints that does what it should. Its state is its own."""
    environment = os.environ | {"GENVM_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "orchestrator", *words]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}"
    return ended.stdout


def test_the_demo_shows_contracts_that_ran(executor_image: str, tmp_path: Path) -> None:
    print(said(tmp_path, "demo"))


def test_the_images_are_listed(executor_image: str, tmp_path: Path) -> None:
    listed = json.loads(said(tmp_path, "images", "list", "--json"))
    assert f"{executor_image.partition(':')[0]}:{VERSION}" in json.dumps(listed)
