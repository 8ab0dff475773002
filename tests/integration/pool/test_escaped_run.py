"""A run that has broken out of everything in an instance of several runs (docs/pool.md, reuse).

It finds no way to the next run's job: not in its own descriptors, not in other processes', and not by saying
itself that the instance is ready.
"""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.integration.pool import escaped_run
from tests.integration.pool.conftest import Open, Pooled
from tests.integration.pool.test_reuse import engine_ids

IMAGE = "genvm-test-escaped"
PROGRAM = Path(escaped_run.__file__)
# Standard streams that are pipes, the channel, the node's connection.
SOCKETS = 2


def built(engine: docker.APIClient, base: str, *arguments: str) -> str:
    command = ("python3", "-s", "-S", "-P", "/opt/genvm/first.py", "escaped_run", *arguments)
    words = ", ".join(f'"{word}"' for word in command)
    files = {
        "Dockerfile": f"FROM {base}\nCOPY escaped_run.py /opt/genvm/lib/\nENTRYPOINT [{words}]\n".encode(),
        "escaped_run.py": PROGRAM.read_bytes(),
    }
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    context.seek(0)
    tag = f"{IMAGE}:{'-'.join(arguments) or 'stays'}"
    for line in engine.build(fileobj=context, custom_context=True, tag=tag, rm=True, decode=True):
        assert "error" not in line, line
    return tag


@pytest.fixture(params=[(), ("orphan",)], ids=["it stays", "it leaves a process behind"])
def manifest(
    request: pytest.FixtureRequest, engine: docker.APIClient, executor_image: str, folder: Path
) -> Path:
    image = built(engine, executor_image, *request.param)
    path = folder / "manifest.yaml"
    path.write_text(
        "executor_versions:\n"
        f"  v0.2.12: {{available_after: 2024-01-01T00:00:00Z, reuse: 9, image: '{image}'}}\n"
    )
    return path


async def found(kit: Pooled) -> dict[str, Any]:
    """What the last run found."""
    run = await kit.run()
    assert run.status is not None and run.status["result_code"] == 0
    said = [
        json.loads(record["message"]) for record in run.status["genvm_log"] if "found" in record["message"]
    ]
    looked: dict[str, Any] = said[-1]["found"]
    return looked


async def test_it_gets_no_other_run_s_job(open_manager: Open, manifest: Path) -> None:
    async with open_manager("docker", manifest=manifest, pool_size=1) as kit:
        for _ in range(3):
            await kit.until(lambda pool: pool.ready == 1)
            assert await found(kit) == {
                "sockets": SOCKETS,
                "parent's descriptors": [],
                "parent's memory": False,
                "parent's map": False,
                "first process's descriptors": [],
                "shared pages": [],
            }
        assert len(await engine_ids(kit)) == 3
        assert kit.seen.returned == 0
