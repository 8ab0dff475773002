"""Every test: a blocking call of ours on the event loop is a failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from tests.halves import two_halves

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return two_halves()(config, log)


@pytest.fixture(autouse=True)
def no_blocking_on_the_loop() -> Iterator[BlockBuster]:
    with blockbuster_ctx("orchestrator") as blockbuster:
        # A link of the kernel's own, to what is open: nobody is asked for it.
        blockbuster.functions["os.readlink"].can_block_in("orchestrator/executions/node_sockets.py", "hold")
        # The operator's own paths, on devices that answer promptly.
        own = blockbuster.functions["os.stat"]
        own.can_block_in("orchestrator/executions/node_files.py", "_asked_plainly")
        yield blockbuster
