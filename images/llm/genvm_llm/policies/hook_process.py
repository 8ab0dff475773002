"""The process that runs an operator's policy: one call at a time, each with a time limit."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from genvm_llm.merging import Json

CALL_SECONDS = 5.0
START_SECONDS = 10.0
MESSAGE_LIMIT = 32 * 1024 * 1024

log = structlog.get_logger(__name__)


class HookFailed(Exception):
    """The policy raised, took too long, or is no Python. The text names places, no values."""


class HookProcess:
    """Started with an empty environment; started anew after a call that failed by time or by death."""

    def __init__(self, path: str, source: str | None = None) -> None:
        self._path = path
        self._source = source
        self._process: asyncio.subprocess.Process | None = None
        self._hooks: frozenset[str] = frozenset()
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Raises HookFailed."""
        source = self._source
        if source is None:
            try:
                source = await asyncio.to_thread(Path(self._path).read_text, encoding="utf-8")
            except (OSError, ValueError) as error:
                text = (
                    f"{self._path!r} is neither a built-in policy nor a readable file: {type(error).__name__}"
                )
                raise HookFailed(text) from None
            self._source = source
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(Path(__file__).with_name("hook_worker.py")),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
            cwd="/",
        )
        try:
            hooks = await self._exchange({"load": source}, START_SECONDS)
        except BaseException:
            await self._kill()
            raise
        self._hooks = (
            frozenset(name for name in hooks if isinstance(name, str))
            if isinstance(hooks, list)
            else frozenset()
        )

    async def call(self, hook: str, *arguments: Json) -> Json:
        """What the hook returned; None when the policy has no such hook. Raises HookFailed."""
        if hook not in self._hooks:
            return None
        async with self._turn:
            if self._process is None:
                await self.start()
            try:
                return await self._exchange({"hook": hook, "arguments": list(arguments)}, CALL_SECONDS)
            except _Refused:
                raise
            except BaseException:
                # Cancelled or cut off in the middle: what comes next would be another call's answer.
                await self._kill()
                raise

    async def _exchange(self, message: dict[str, Json], patience: float) -> Json:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        body = json.dumps(message).encode()
        try:
            async with asyncio.timeout(patience):
                process.stdin.write(struct.pack("<I", len(body)) + body)
                await process.stdin.drain()
                length: int = struct.unpack("<I", await process.stdout.readexactly(4))[0]
                if length > MESSAGE_LIMIT:
                    raise HookFailed("the policy's answer is too large")
                reply: dict[str, Json] = json.loads(await process.stdout.readexactly(length))
        except TimeoutError:
            raise HookFailed(f"the policy took more than {patience:g} s") from None
        except (OSError, EOFError, ValueError):
            raise HookFailed("the policy's process died") from None
        if "error" in reply:
            raise _Refused(str(reply["error"]))
        return reply.get("value")

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        await self._kill()


class _Refused(HookFailed):
    """The hook raised; its process is as good as before."""
