"""The hostile image: the executor's own, with another program in it. Built without network or shell."""

from __future__ import annotations

import io
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from tests.integration import seccomp_probe

EXECUTOR_IMAGE = "genvm-executor:latest"
PROGRAM = Path(__file__).with_name("program")
SHARED = Path(seccomp_probe.__file__)
"""The probe of system calls is the seccomp tests', too."""
INSIDE = "opt/genvm/lib/genvm_hostile"


def dockerfile(entrypoint: list[str]) -> str:
    """What stands before the executor's program in its entry point stays: it is above the program."""
    at = entrypoint.index("genvm_executor")
    words = [*entrypoint[:at], "genvm_hostile"]
    quoted = ", ".join(f'"{word}"' for word in words)
    return f"FROM {EXECUTOR_IMAGE}\nCOPY {INSIDE} /{INSIDE}\nENTRYPOINT [{quoted}]\n"


def context(entrypoint: list[str]) -> io.BytesIO:
    files = {"Dockerfile": dockerfile(entrypoint).encode()}
    files |= {f"{INSIDE}/{path.name}": path.read_bytes() for path in [*PROGRAM.glob("*.py"), SHARED]}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    packed.seek(0)
    return packed


@contextmanager
def hostile_image(engine: docker.APIClient) -> Iterator[str]:
    """Its name; it is removed at the end."""
    name = f"genvm-test-hostile:{secrets.token_hex(4)}"
    executor = engine.inspect_image(EXECUTOR_IMAGE)  # type: ignore[no-untyped-call]
    built = engine.build(
        fileobj=context(executor["Config"]["Entrypoint"]),
        custom_context=True,
        tag=name,
        rm=True,
        decode=True,
        network_mode="none",
    )
    for line in built:
        assert "error" not in line, line
    yield name
    engine.remove_image(name, force=True)
