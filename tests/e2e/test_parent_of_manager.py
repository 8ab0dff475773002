"""A manager that node software starts itself, as it starts the reference, and that ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import docker
import pytest

STARTS_IT = "import subprocess, sys; subprocess.run(sys.argv[1:])"


def test_a_manager_ends_in_order_with_the_process_that_started_it(
    engine: docker.APIClient, tmp_path: Path
) -> None:
    state_dir = tmp_path / "state"
    command = [sys.executable, "-m", "orchestrator", "manager", "--port", "0", "--die-with-parent"]
    environment = os.environ | {"GENVM_POOL_SIZE": "0", "GENVM_STATE_DIR": str(state_dir)}
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_IT, *command], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert parent.stderr is not None
    with parent.stderr as log:
        before = []
        for line in log:
            before.append(line)
            if '"listening"' in line:
                break
        else:
            pytest.fail("".join(before))
        parent.kill()
        parent.wait()
        # To the end: the manager has closed it as well.
        after = log.read()
    assert '"parent_ended"' in after
    assert '"stopped"' in after.splitlines()[-1]
    label = f"io.genvm.orchestrator.managed-by={(state_dir / 'manager-id').read_text('ascii')}"
    assert engine.containers(all=True, filters={"label": label}) == []
