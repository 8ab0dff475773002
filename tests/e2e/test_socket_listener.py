"""A manager that listens on a unix socket instead of a port."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import docker

from orchestrator.node.store import NodeStore
from tests.e2e.chain import chain_at, source
from tests.e2e.manager_process import running_manager


async def test_contracts_run_through_a_unix_socket_which_goes_with_its_manager(
    engine: docker.APIClient, executor_image: str, store: NodeStore
) -> None:
    with tempfile.TemporaryDirectory(prefix="genvm-api-") as folder:
        path = Path(folder) / "api" / "manager.sock"
        with running_manager(engine, "--socket", str(path)) as manager:
            assert manager.address == f"unix://{path}"
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            # Whatever is made later on, by whatever library, is nobody else's to read.
            assert "\nUmask:\t0077\n" in Path(f"/proc/{manager.process.pid}/status").read_text("ascii")
            async with chain_at(manager.address, store) as chain:
                token = await chain.deploy(source("token.py"), 7)
                assert await chain.call(token, "grant", token, 3) is None
                assert await chain.view(token, "balance_of", token) == 3
        assert not path.exists()
