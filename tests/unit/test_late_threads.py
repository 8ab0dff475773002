"""Threads that outlive the loop they work for, and what Python itself has to say of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.__main__ import main
from orchestrator.event_loop import call_on
from orchestrator.store.port import FetchedRow, ForgottenRows, Write
from orchestrator.store.writer import Writer

FIRST, SECOND = FetchedRow(1, 1_000), FetchedRow(2, 1_000)


def test_a_journal_s_thread_writes_all_though_its_loop_is_closed() -> None:
    written: list[Write] = []
    begun, answered = threading.Event(), threading.Event()

    def apply(rows: Sequence[Write], durable: bool) -> None:
        begun.set()
        answered.wait()
        written.extend(rows)

    async def two_orders() -> Writer:
        writer = Writer(apply)
        orders = [asyncio.create_task(writer.write(FIRST, durable=True))]
        await asyncio.to_thread(begun.wait)
        orders.append(asyncio.create_task(writer.write(SECOND, durable=True)))
        await asyncio.sleep(0)
        for order in orders:
            order.cancel()
        return writer

    writer = asyncio.run(two_orders())
    answered.set()
    asyncio.run(writer.aclose())
    assert written == [FIRST, SECOND]


def test_a_defect_in_tidying_up_ends_no_thread() -> None:
    written: list[Write] = []

    def tidy() -> bool:
        raise KeyError("defect")

    async def orders() -> None:
        writer = Writer(lambda rows, durable: written.extend(rows), tidy)
        for order in (ForgottenRows((1,)), FIRST):
            await writer.write(order, durable=True)
        await writer.aclose()

    asyncio.run(orders())
    assert written[-1] == FIRST


def test_what_is_wrong_with_a_loop_that_is_not_closed_is_raised() -> None:
    class Full(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]
            raise RecursionError

    with closing(Full()) as loop, pytest.raises(RecursionError):
        call_on(loop, print)


def test_a_command_that_another_program_calls_leaves_that_its_hooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("GENVM_TOKENS_FILE", str(tmp_path / "none"))
    before = threading.excepthook, sys.unraisablehook, warnings.showwarning
    assert main(["serve", "--port", "0"]) == 1
    assert (threading.excepthook, sys.unraisablehook, warnings.showwarning) == before


SERVING = """
import sys, threading, warnings
from orchestrator import serve
from orchestrator.__main__ import main

class Unraisable:
    def __del__(self):
        raise ValueError("of an object")

def fail():
    raise ValueError("of a thread")

async def served(settings, **options):
    thread = threading.Thread(target=fail, name="late")
    thread.start()
    thread.join()
    Unraisable()
    serve.never_awaited = served(settings)
    del serve.never_awaited
    warnings.warn("of nobody", UserWarning)

serve.serve = served
sys.argv[1:] = ["serve"]
raise SystemExit(main())
"""


def test_what_python_prints_is_in_the_log_s_form(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {"GENVM_STATE_DIR": str(tmp_path), "GENVM_LOG_FORMAT": "json"}
    environment["GENVM_LOG_LEVEL"] = "error"
    done = subprocess.run(
        [sys.executable, "-c", SERVING], env=environment, capture_output=True, text=True, check=True
    )
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [record["level"] for record in said] == ["error", "error", "warning", "warning"]
    thread, unraisable, unawaited, warned = said
    assert (thread["event"], thread["thread"]) == ("thread_failed", "late")
    assert thread["exception"].endswith("ValueError: of a thread")
    assert (unraisable["event"], unraisable["where"]) == (
        "exception_not_raised",
        "exception ignored in: Unraisable.__del__",
    )
    assert unraisable["exception"].endswith("ValueError: of an object")
    assert "was never awaited" in unawaited["event"]
    assert "of nobody" in warned["event"]
