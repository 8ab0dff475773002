"""The module's own webdriver: a process beside it, reached over a socket that nothing else can open.

A process of its own, so that a browser that runs wild takes neither the requests nor the sessions with it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import ada_url
import structlog

from genvm_module.contract import ConfigurationRefused
from genvm_web.public_addresses import address_literal

START_SECONDS = 30.0
STOP_SECONDS = 10.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
# It ran long enough for its end to be news.
SETTLED_SECONDS = 60.0

COMMAND = (sys.executable, "-m", "genvm_web.webdriver")
SOCKET_VARIABLE = "GVM_WEBDRIVER_SOCKET"

# What the browser's process may know: nothing of the module's own environment but these.
PASSED_ON = ("GVM_WEBDRIVER_", "HOME", "LANG", "PATH", "PYTHON", "TMPDIR", "XDG_")

log = structlog.get_logger(__name__)


def is_own(base_url: str) -> bool:
    """A webdriver on this very host is the module's own to start."""
    host = ada_url.URL(base_url).hostname
    address = address_literal(host)
    return host == "localhost" or (address is not None and address.is_loopback)


class WebdriverChild:
    """Kept running until it is closed. `restarts` counts how often it had to be started again."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.socket_path = str(folder / "webdriver.sock")
        self.restarts = 0

    @classmethod
    async def start(cls, variables: Mapping[str, str]) -> WebdriverChild:
        """Wait until it listens; `variables` are settings of its own. Raises ConfigurationRefused."""
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="genvm-webdriver-")
        child = cls(Path(folder), variables)
        try:
            async with asyncio.timeout(START_SECONDS):
                await child._launch()
        except _Refused as refusal:
            await child.close()
            raise ConfigurationRefused(f"the webdriver did not start: {refusal}") from None
        except (TimeoutError, OSError) as error:
            await child.close()
            raise ConfigurationRefused(f"the webdriver did not start: {type(error).__name__}") from None
        child._keeper = asyncio.create_task(child._keep(), name="webdriver-keeper")
        return child

    async def close(self) -> None:
        """End the process and everything it started."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._kill_group()
                await self._process.wait()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _kill_group(self) -> None:
        """The process and the browsers it started."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _launch(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key.startswith(PASSED_ON)}
        environment[SOCKET_VARIABLE] = self.socket_path
        environment |= self._variables
        ready, ready_end = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                f"--ready-fd={ready_end}",
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(ready_end,),
                # A group of its own: the browser's processes can be ended together with it.
                start_new_session=True,
            )
        finally:
            os.close(ready_end)
        await _wait_ready(ready)

    async def _keep(self) -> None:
        """Start it again whenever it ends, with growing pauses while it keeps ending at once."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE
        while True:
            begun = loop.time()
            assert self._process is not None
            code = await self._process.wait()
            self._kill_group()
            pause = FIRST_PAUSE if loop.time() - begun > SETTLED_SECONDS else min(2 * pause, LONGEST_PAUSE)
            log.error("webdriver_ended", exit_code=code, pause=pause)
            await asyncio.sleep(pause)
            self.restarts += 1
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._launch()
            except (TimeoutError, OSError, _Refused) as error:
                log.error("webdriver_not_started", reason=str(error) or type(error).__name__)
                self._kill_group()


class _Refused(Exception):
    """The process went away before it was ready; the text is what it said about that."""


async def _wait_ready(descriptor: int) -> None:
    """An empty line means ready, a text that it never will be, the end of the pipe that it died."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        said = await reader.readline()
    finally:
        transport.close()
    if said != b"\n":
        raise _Refused(said.decode(errors="replace").strip() or "it ended")
