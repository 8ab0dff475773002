"""Threads that outlive the loop they work for, and what Python itself has to say of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from orchestrator.store.port import FetchedRow, Write
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


SERVING = """
import threading, warnings
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
raise SystemExit(main(["serve"]))
"""


def test_what_python_prints_is_in_the_log_s_form(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {"GENVM_STATE_DIR": str(tmp_path), "GENVM_LOG_FORMAT": "json"}
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
        "exception ignored in: function",
    )
    assert unraisable["exception"].endswith("ValueError: of an object")
    assert "was never awaited" in unawaited["event"]
    assert "of nobody" in warned["event"]
