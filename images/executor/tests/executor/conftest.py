from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from wasmtime import Engine

# The vectors' checks live beside the guest library's own tests.
sys.path.insert(0, str(Path(__file__).parents[1]))

from genvm_executor.channel.run_log import RunLog
from genvm_executor.host import HostClient
from genvm_executor.machine.engine import METER_VARIABLE, deterministic_engine
from genvm_executor.modules.port import NoModules
from genvm_executor.requests.run_state import RunState
from genvm_wire.calldata import Encodable
from genvm_wire.host_tables import HOST_TABLES
from tests.precompiled import precompiled_for

from .chain import Chain, Zygote
from .executor_process import Executor, Report, job
from .node_host import NodeHost
from .run_stage import RunOfLine, parsed

Run = Callable[..., Report]


@pytest.fixture(scope="package", autouse=True)
def metering() -> Iterator[None]:
    """Everything here counts fuel: runs that burn the same did the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(METER_VARIABLE, "1")
        yield


@pytest.fixture(scope="session")
def precompiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code cache."""
    return precompiled_for(tmp_path_factory)


@pytest.fixture
def run_of_line() -> Iterator[RunOfLine]:
    ours, theirs = socket.socketpair()
    node = HostClient(ours, HOST_TABLES["T9n"])
    yield lambda line: RunState(parsed(contract_line=line), node, RunLog(0), NoModules(), memory_limit=100)
    node.close()
    theirs.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short path: socket names have a limit."""
    with TemporaryDirectory(prefix="gx") as path:
        yield Path(path)


@pytest.fixture
def executor(directory: Path, precompiled: Path) -> Iterator[Executor]:
    with Executor(directory, precompiled, GENVM_GUEST_MEMORY_BYTES=str(512 << 20)) as process:
        yield process


@pytest.fixture
def node() -> Iterator[NodeHost]:
    host = NodeHost(HOST_TABLES["T15a"])
    yield host
    host.close()


@pytest.fixture
def run(executor: Executor, node: NodeHost) -> Run:
    """Run `code` with `calldata` to its report."""

    def run_contract(code: bytes | str, calldata: bytes = b"\x06", **changes: Encodable) -> Report:
        node.store_code(code if isinstance(code, bytes) else code.encode())
        node.calldata = calldata
        executor.wait_ready()
        executor.send_job(node, job(**changes))
        return executor.follow()

    return run_contract


@pytest.fixture(scope="package")
def zygote(precompiled: Path) -> Iterator[Zygote]:
    with TemporaryDirectory(prefix="gx") as path, Zygote(Path(path), precompiled) as process:
        yield process


@pytest.fixture
def chain(zygote: Zygote) -> Chain:
    return Chain(zygote)


@pytest.fixture
def engine() -> Engine:
    return deterministic_engine()
