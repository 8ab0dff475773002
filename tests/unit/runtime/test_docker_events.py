"""Lines of the engine's event stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from orchestrator.runtime.docker import watch as module
from orchestrator.runtime.docker.engine import lines
from orchestrator.runtime.docker.events import LONGEST_DELAY, ContainerEvent, EventStream, parse
from orchestrator.runtime.docker.exits import CLEAN
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.docker.watch import Watch
from orchestrator.runtime.port import EngineUnreachable

GOOD = {"Type": "container", "Action": "die", "Actor": {"ID": "abc"}, "timeNano": 5}


def test_a_container_event_is_understood() -> None:
    assert parse(json.dumps(GOOD).encode()) == ContainerEvent("abc", "die", 5)


@pytest.mark.parametrize(("text", "code"), [("0", 0), ("137", 137), ("-1", None), ("x", None), (0, None)])
def test_the_end_of_a_container_comes_with_its_exit_code(text: object, code: int | None) -> None:
    event = {**GOOD, "Actor": {"ID": "abc", "Attributes": {"exitCode": text, "name": "n"}}}
    assert parse(json.dumps(event).encode()) == ContainerEvent("abc", "die", 5, code)


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"null", b"\xff", b"{}"]
    + [
        json.dumps({**GOOD, **change}).encode()
        for change in (
            {"Type": "image"},
            {"Action": "exec_create: sh"},
            {"Actor": None},
            {"Actor": {"ID": 1}},
            {"timeNano": "5"},
        )
    ],
)
def test_anything_else_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError):
        parse(line)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a", b"b\nc", b"\n"], [b"ab", b"c"]),
        ([b"\n\r\n", b"a\r\n"], [b"a\r"]),
        ([b"unfinished"], []),
        ([b"x" * 11, b"x\nok\n"], [b"ok"]),
        ([b"x" * 11, b"x" * 11, b"\nok\n"], [b"ok"]),
    ],
)
def test_lines_are_put_together_and_oversize_ones_dropped(chunks: list[bytes], expected: list[bytes]) -> None:
    assert list(lines(iter(chunks), limit=10)) == expected


@pytest.mark.parametrize(("code", "asked"), [("0", False), ("1", True), ("137", True)])
async def test_of_a_clean_end_the_engine_is_not_asked(
    code: str, asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(cast("Any", None), DockerSettings(manager_id="m", state_dir=tmp_path))
    ends: list[object] = []
    reconciled: list[object] = []
    monkeypatch.setattr(watch, "reconcile", reconciled.append)
    watch.add(cast("Any", SimpleNamespace(engine_id="abc", meeting=SimpleNamespace(end=ends.append))))
    event = {**GOOD, "Actor": {"ID": "abc", "Attributes": {"exitCode": code}}}
    watch.stream._deliver(json.dumps(event).encode())
    assert (ends, bool(reconciled)) == ([] if asked else [CLEAN], asked)


class Belated:
    """An engine that told of an end before anybody listened, and whose list shows it only the next time."""

    absences = 0

    def __init__(self) -> None:
        self.lists = 0

    async def quick(self, work: Callable[[Belated], Any]) -> Any:
        return work(self)

    async def in_stream_thread(self, work: object) -> None:
        del work
        await asyncio.Event().wait()

    def containers(self, **_: object) -> list[dict[str, str]]:
        self.lists += 1
        return [{"Id": "abc"}] if self.lists == 1 else []

    def inspect_container(self, _: str) -> dict[str, Any]:
        return {"State": {"Status": "exited", "ExitCode": 0}}


async def test_what_a_first_list_shows_as_running_still_is_looked_at_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECHECK_AFTER_S", 0.01)
    engine: Any = Belated()
    watch = Watch(engine, DockerSettings(manager_id="m", state_dir=tmp_path, relist_interval=3600))
    ended: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    instance: Any = SimpleNamespace(
        engine_id="abc",
        spec=SimpleNamespace(name="one"),
        meeting=SimpleNamespace(ended=False, end=ended.set_result),
        oom_seen=False,
        kill_ordered=False,
        absences=0,
    )
    watch.add(instance)
    watch.open()
    watch.stream._opened()
    assert await ended == CLEAN
    assert engine.lists == 2
    await watch.aclose()


class Flapping:
    """An engine that does what `story` says of each connection, and keeps quiet after that.

    `away`: it takes none; `breaks`: it does, and is gone; `ends`: it does, and says that there is no more.
    """

    def __init__(self, *story: str) -> None:
        self._story = list(story)
        self.over = asyncio.Event()
        self.pings = 0
        self.stream: EventStream

    async def in_stream_thread(self, _: object) -> None:
        if not self._story:
            self.over.set()
            await asyncio.Event().wait()
        scene = self._story.pop(0)
        if scene != "away":
            self.stream._opened()
        if scene != "ends":
            raise EngineUnreachable("container engine does not answer")

    async def quick(self, _: object) -> None:
        self.pings += 1
        raise EngineUnreachable("container engine does not answer")


@pytest.mark.parametrize(
    ("story", "told", "paused"),
    [
        pytest.param(["away"] * 5, ["broken"], [1, 2, 3, 3, 3], id="never there"),
        pytest.param(
            ["breaks", *["away"] * 3, "breaks", "away"],
            ["broken", "broken"],
            [1, 1, 2, 3, 1, 1],
            id="away twice",
        ),
        pytest.param(["ends", "away", "away", "ends"], ["ended", "ended"], [1, 1, 2, 1], id="stopped"),
    ],
)
async def test_an_engine_s_absence_is_said_once_and_asked_about_less_and_less_often(
    story: list[str], told: list[str], paused: list[int]
) -> None:
    engine: Any = Flapping(*story)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    engine.stream = EventStream(engine, "label", lambda _: None, lambda: None, 0.5, pause=pause)
    with capture_logs() as said:
        following = asyncio.create_task(engine.stream.follow())
        await engine.over.wait()
    following.cancel()
    await asyncio.wait([following])
    assert following.cancelled()
    loud = [entry["event"] for entry in said if entry["log_level"] == "warning"]
    assert loud == [f"event_stream_{word}" for word in told]
    assert pauses == [count * 0.5 for count in paused]
    assert max(paused) <= LONGEST_DELAY
    # Each time it is found out at once whether the engine is there.
    assert engine.pings == len(story)
    assert engine.stream.connected is False
