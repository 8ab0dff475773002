"""The overlay of docs/migrate.md over a stack laid out as Studio's: the node finds its manager unmodified."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.composed import compose_command, health
from tests.until import wait_until

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
OVERLAY = ROOT / "examples" / "studio"
FROM_ITS_OWN_LOOPBACK = """
import json, sys, urllib.request
body = json.dumps(json.loads(sys.argv[2])).encode()
with urllib.request.urlopen("http://127.0.0.1:3999" + sys.argv[1], body) as answer:
    print(answer.read().decode())
"""


@dataclass(frozen=True, slots=True)
class Stack:
    """One project of both files, with its own directories."""

    project: str
    state_dir: Path
    sockets: Path

    def compose(self, *args: str) -> str:
        """Run the compose command. Fails the test with what it said."""
        environment = os.environ | {
            "GENVM_STATE_DIR": str(self.state_dir),
            "GENVM_NODE_SOCKETS": str(self.sockets),
            "GENVM_STUDIO_EXAMPLE": str(OVERLAY),
            "GENVM_MODULE_NETWORK": f"{self.project}_default",
            "GENVM_TEST_STACK": str(HERE),
            "GENVM_TEST_CONTRACTS": str(HERE / "contracts"),
        }
        files = [
            flag for path in (HERE / "studio_stack.yaml", OVERLAY / "compose.yaml") for flag in ("-f", path)
        ]
        command = [*compose_command(), *map(str, files), "--project-name", self.project, *args]
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def in_node(self, *command: str) -> str:
        """Run a command where the node software runs."""
        return self.compose("exec", "-T", "jsonrpc", *command)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return json.loads(self.in_node("python3", "-c", FROM_ITS_OWN_LOOPBACK, path, json.dumps(body)))


@pytest.fixture
def stack(engine: docker.APIClient, executor_image: str) -> Iterator[Stack]:
    """Both files up, and the manager healthy; nothing is left."""
    state_dir, sockets = (Path(tempfile.mkdtemp(prefix="genvm-e2e-")) for _ in range(2))
    made = Stack(f"genvm-e2e-{secrets.token_hex(4)}", state_dir, sockets)
    try:
        made.compose("up", "--detach")
        manager = made.compose("ps", "--quiet", "genvm-manager").strip()
        wait_until(lambda: health(engine, manager) == "healthy")
        yield made
    finally:
        # The manager first: the modules that it ends are in the stack's network.
        made.compose("stop", "genvm-manager")
        made.compose("down", "--volumes")
        for path in (state_dir, sockets):
            shutil.rmtree(path)


def test_the_overlay_serves_a_node_at_its_own_loopback_with_the_stack_s_webdriver(stack: Stack) -> None:
    configs: dict[str, dict[str, Any]] = {
        "Llm": {"backends": {}},
        "Web": {"webdriver_host": "http://webdriver:4444"},
    }
    for module, config in configs.items():
        body = {"module_type": module, "config": config, "allow_empty_backends": True}
        assert stack.post("/module/start", body) == {"result": "module_started"}
    chain = str(stack.sockets / "chain.sqlite")
    asked = ("--manager", "http://127.0.0.1:3999", "--state", chain, "--json")
    deployed = json.loads(stack.in_node("genvm-orchestrator", "deploy", *asked, "/contracts/page_reader.py"))
    assert deployed["kind"] == "Return", deployed
    read = json.loads(stack.in_node("genvm-orchestrator", "view", *asked, deployed["address"], "read"))
    assert read["data"] == "a page of the stack's own webdriver"
