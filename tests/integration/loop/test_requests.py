"""No request stops the loop, whatever it holds."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import secrets
import zipfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from genvm_wire.calldata import encode
from orchestrator.api.json_text import MOST_ITEMS
from tests.generation_bodies import fields
from tests.integration.loop.conftest import Hostile, MakeHostile

MIB = 1024 * 1024
AT = {"Deployment-Timestamp": "2025-01-01T00:00:00Z"}
NOWHERE = "unix:///nowhere/sock"


def run_body(**changes: Any) -> bytes:
    return encode({**fields("C", NOWHERE), **changes})


JSON: dict[str, Callable[[], bytes]] = {
    "33 MiB of small lists": lambda: b"[" + b"[]," * (11 * MIB) + b"[]]",
    "as many items as there may be": lambda: json.dumps([{"a": 1}] * (MOST_ITEMS // 3)).encode(),
    "floats": lambda: json.dumps([1.5] * (MOST_ITEMS - 2)).encode(),
    "a text": lambda: b'{"host":"' + b"x" * (MIB - 100) + b'"}',
    "escapes": lambda: b'{"host":"' + b"\\u00e9" * (MIB // 6 - 100) + b'"}',
    "brackets in a text": lambda: b'["' + b"[{," * (MIB // 3 - 100) + b'"]',
    "brackets that are never closed": lambda: b"[" * MIB,
    "numbers of 4300 digits": lambda: b"[" + b",".join([b"9" * 4300] * 240) + b"]",
    "a number of a million digits": lambda: b"9" * MIB,
    "keys that all differ": lambda: json.dumps({str(n): n for n in range(MOST_ITEMS - 2)}).encode(),
    "blanks": lambda: b" " * (MIB - 2) + b"{}",
}
CHECK = {"host": "http://127.0.0.1:9", "provider": "openai-compatible", "model": "m", "key": "k"}
PROMPT = {"user_message": "?", "temperature": 0, "max_tokens": 1}
PICTURE = base64.b64encode(bytes(3 * MIB)).decode()
PAIR = "\N{GRINNING FACE}"
FLOATS = [(n * 0.7123456789 + 0.1) * 1e-200 for n in range(49_000)]
CHECKS: dict[str, Callable[[], Any]] = {
    "the longest keys": lambda: {
        "configs": [CHECK | {"key": f"{n:04}" * 1024} for n in range(20)],
        "test_prompts": [PROMPT] * 3,
    },
    "a key of a mebibyte": lambda: {"configs": [CHECK | {"key": "k" * MIB}], "test_prompts": [PROMPT]},
    "configs that are none": lambda: {"configs": [{}] * 200_000, "test_prompts": []},
    "pictures that are none": lambda: {
        "configs": [],
        "test_prompts": [PROMPT | {"images": [["x"] * 90_000]}],
    },
    "a picture for each of many": lambda: {
        "configs": [CHECK] * 20,
        "test_prompts": [PROMPT | {"images": [PICTURE]}],
    },
    "numbers of 4300 digits": lambda: {"configs": [], "test_prompts": [], "x": [10**4299] * 3500},
    "a pair of surrogates beside numbers": lambda: {"configs": [], "x": FLOATS * 10, "s": PAIR},
    "a pair of surrogates beside as many as there may be": lambda: {
        "configs": [], "test_prompts": [], "x": FLOATS, "s": PAIR,
    },
    "many numbers beside a prompt": lambda: {
        "configs": [CHECK] * 8, "test_prompts": [PROMPT | {"extra": {"x": FLOATS * 10}}],
    },
    "as many numbers as there may be beside a prompt": lambda: {
        "configs": [CHECK] * 8, "test_prompts": [PROMPT | {"extra": {"x": FLOATS}}],
    },
    "keys beside a prompt": lambda: {
        "configs": [CHECK] * 8, "test_prompts": [PROMPT | {"extra": {str(n): n for n in range(49_000)}}],
    },
    "bytes beside a prompt": lambda: {
        "configs": [CHECK] * 8, "test_prompts": [PROMPT | {"extra": {"x": [7] * 490_000}}],
    },
    "a picture of bytes for each of many": lambda: {
        "configs": [CHECK] * 500, "test_prompts": [PROMPT | {"images": [[7] * 490_000]}],
    },
    "one of them too often": lambda: {
        "configs": [CHECK] * 1000, "test_prompts": [PROMPT | {"images": [[7] * 490_000]}],
    },
    "a text of escapes": lambda: {"configs": [], "test_prompts": [], "x": '",[' * (5 * MIB // 2)},
}  # fmt: skip
CALLDATA: dict[str, Callable[[], bytes]] = {
    "64 MiB of small lists": lambda: b"\x06" + encode([[]] * 1000) * (64 * MIB // 1003),
    "too many items": lambda: encode({"a": [[]] * (4 * MIB)}),
    "as many items as there may be": lambda: run_body(x=[{"a": 1}] * (MOST_ITEMS // 2 - 100)),
    "results": lambda: run_body(leader_nondet_results=[b""] * (MOST_ITEMS - 100)),
    "arguments": lambda: run_body(extra_args=["--debug-mode"] * (MOST_ITEMS - 100)),
    "a number of 8 MiB": lambda: run_body(x=1 << (8 * 8 * MIB)),
    "a deep value": lambda: b"\x0d" * (8 * MIB),
    "code of 64 MiB": lambda: run_body(code=bytes(64 * MIB)),
    "an unknown key of 64 MiB": lambda: run_body(x=bytes(64 * MIB)),
    "a host of 64 MiB": lambda: run_body(host="unix://" + "x" * (64 * MIB)),
    "a host's data of 64 MiB": lambda: run_body(host_data="x" * (64 * MIB)),
}


@pytest.mark.parametrize("name", JSON)
async def test_json(hostile: Hostile, name: str) -> None:
    body = JSON[name]()

    async def post() -> None:
        for path in ("/genvm/run", "/permits", "/module/start", "/llm/check", "/env"):
            sending = [hostile.sent(path, body) for _ in range(4)]
            assert set(await asyncio.gather(*sending)) <= {0, 400, 413, 500, 503}

    await hostile.never_stops(post)


@pytest.mark.parametrize("name", CHECKS)
async def test_checks_of_models(hostile: Hostile, name: str) -> None:
    body = json.dumps(CHECKS[name]()).encode()

    async def post() -> None:
        sending = [hostile.sent("/llm/check", body) for _ in range(2)]
        assert set(await asyncio.gather(*sending)) <= {0, 200, 400, 500, 503}

    await hostile.never_stops(post)


@pytest.mark.parametrize("name", CALLDATA)
async def test_calldata(hostile: Hostile, name: str) -> None:
    body = CALLDATA[name]()

    async def post() -> None:
        sending = [hostile.sent("/genvm/run", body) for _ in range(2)]
        assert set(await asyncio.gather(*sending)) <= {0, 200, 413, 500, 503}

    await hostile.never_stops(post)


@pytest.mark.parametrize(
    "code",
    [
        bytes(64 * MIB),
        b"\n" * (64 * MIB),
        b"# " * (32 * MIB),
        b'#{"a":[' + b"[]," * (8 * MIB) + b"0]}",
        b"PK\x05\x06" + bytes(32 * MIB),
    ],
    ids=["zeros", "lines", "comments", "a runner of small lists", "an archive"],
)
@pytest.mark.parametrize(
    "path", ["/contract/detect-version", "/contract/pre-deploy-writes", "/genvm/run/readonly"]
)
async def test_code(hostile: Hostile, path: str, code: bytes) -> None:
    await hostile.never_stops(lambda: hostile.sent(path, code, **AT))


def long_to_follow(files: int, actions: int, target: str) -> bytes:
    """A package whose runner puts each of its files in one place after the other, or would."""
    mapped = {"MapFile": {"file": "f/", "to": target}}
    runner = json.dumps({"Seq": [mapped] * actions}, separators=(",", ":"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("version", "v0.2.0")
        archive.writestr("runner.json", runner)
        for number in range(files):
            archive.writestr(f"f/{number}", "")
    return buffer.getvalue()


SMALL_GROWTH = [{"AddEnv": {"name": "A", "val": "x" * 2000}}, {"AddEnv": {"name": "A", "val": "${A}" * 450}}]
LONG_TO_FOLLOW: dict[str, Callable[[], bytes]] = {
    "a small package": lambda: long_to_follow(70, 230, "/"),
    "a larger one": lambda: long_to_follow(100, 1000, f"/{'a/' * 100}"),
    "paths without room for them": lambda: long_to_follow(9000, 1, f"/{'a/' * 100_000}"),
    "a small header": lambda: (
        b"# %s\n"
        % json.dumps({"Seq": [*SMALL_GROWTH, *[{"AddEnv": {"name": "B", "val": "${A}"}}] * 250]}).encode()
    ),
}


@pytest.mark.parametrize("path", ["/contract/detect-version", "/contract/pre-deploy-writes"])
@pytest.mark.parametrize("name", LONG_TO_FOLLOW)
async def test_a_crowd_with_code_that_is_long_to_follow(hostile: Hostile, name: str, path: str) -> None:
    code = LONG_TO_FOLLOW[name]()
    before = hostile.process.resident_bytes()

    async def crowd() -> None:
        answered = await asyncio.gather(*(hostile.sent(path, code, **AT) for _ in range(40)))
        assert set(answered) <= {200, 503}

    await hostile.never_stops(crowd)
    assert hostile.process.resident_bytes() - before < 600 * MIB


async def test_bodies_that_do_not_end_take_no_more_than_their_bound(hostile: Hostile) -> None:
    head = f"POST /genvm/run HTTP/1.1\r\nHost: m\r\nContent-Length: {128 * MIB}\r\n\r\n".encode()
    before = hostile.process.resident_bytes()
    grown = 0

    async def dribble() -> None:
        nonlocal grown
        async with AsyncExitStack() as stack:
            writers = []
            for _ in range(16):
                reader, writer = await hostile.raw(head)
                stack.callback(writer.close)
                writers.append(asyncio.create_task(pour(reader, writer, 100 * MIB)))
            await asyncio.gather(*writers)
            grown = max(grown, hostile.process.resident_bytes() - before)

    await hostile.never_stops(dribble)
    assert grown < 600 * MIB


async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: int) -> None:
    """Send that many bytes, or as many as are taken."""
    try:
        for _ in range(count // 65536):
            writer.write(bytes(65536))
            await writer.drain()
    except ConnectionError:
        return


async def test_packed_bodies_are_not_unpacked(hostile: Hostile) -> None:
    bomb = gzip.compress(bytes(256 * MIB))
    headers = {"Content-Encoding": "gzip"}

    async def post() -> None:
        for path in ("/genvm/run", "/permits", "/nowhere"):
            assert (await hostile.ask("POST", path, data=io.BytesIO(bomb), headers=headers))[0] == 415

    await hostile.never_stops(post)


async def test_heads_that_do_not_end_and_connections_without_number(hostile: Hostile) -> None:
    async def crowd() -> None:
        async with AsyncExitStack() as stack:
            for number in range(3000):
                _, writer = await hostile.raw(b"GET /healthz HTTP/1.1\r\n" if number % 2 else b"")
                stack.callback(writer.close)

    await hostile.never_stops(crowd)


async def test_requests_one_after_another_without_waiting(hostile: Hostile) -> None:
    async def pipeline() -> None:
        reader, writer = await hostile.raw(b"GET /status HTTP/1.1\r\nHost: m\r\n\r\n" * 5000)
        writer.write_eof()
        while await reader.read(1 << 20):
            pass
        writer.close()

    await hostile.never_stops(pipeline)


async def test_code_that_waits_takes_no_memory(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(permits=2, max_body_bytes=32 * MIB, body_bytes=64 * MIB)
    body = encode(fields("B3", NOWHERE, code=bytes(31 * MIB)))
    before = 0

    async def queue() -> None:
        nonlocal before
        await hostile.run({"ignore": 0})
        await hostile.run({"ignore": 0})
        before = hostile.process.resident_bytes()
        for _ in range(16):
            status, answer = await hostile.ask("POST", "/genvm/run", data=io.BytesIO(body))
            assert status == 200, answer
            hostile.runs.append(answer["id"])

    await hostile.never_stops(queue)
    assert hostile.process.resident_bytes() - before < 300 * MIB


async def test_a_crowd_that_waits_for_more_permits_than_are_left(make_hostile: MakeHostile) -> None:
    hostile = await make_hostile(permits=9, permits_per_sync=2, permits_per_nondet=2)
    body = encode(fields("B3", NOWHERE))
    # What one of them costs is looked at, not how many requests the machine can serve in the time.
    few = asyncio.Semaphore(16)

    async def begun(number: int) -> int:
        headers = {"Idempotency-Key": f"{secrets.token_hex(4)}-{number}"}
        async with few:
            status, answer = await hostile.ask("POST", "/genvm/run", data=io.BytesIO(body), headers=headers)
        assert status == 200, answer
        return int(answer["id"])

    async def gone(run_id: int) -> None:
        async with few:
            await hostile.ask("DELETE", f"/genvm/{run_id}", params={"wait_timeout_ms": "0"})

    async def crowd() -> None:
        for _ in range(4):
            await hostile.run({"ignore": 0})
        waiting = await asyncio.gather(*map(begun, range(400)))
        await asyncio.gather(*map(gone, waiting))

    await hostile.never_stops(crowd)


async def test_messages_on_the_manager_socket(hostile: Hostile) -> None:
    head = b"\x00\x03" + bytes(7) + b"\x01"
    messages = [
        head + encode({"run": [[]] * 1_000_000}),
        head + encode({"run": {**fields("C", NOWHERE), "x": [{"a": 1}] * (MOST_ITEMS // 2 - 100)}}),
        head + encode({"run": {**fields("C", NOWHERE), "code": bytes(60 * MIB)}}),
        b"",
    ]

    async def talk() -> None:
        async with hostile.session.ws_connect("/ws", max_msg_size=0) as socket:
            for message in messages:
                await socket.send_bytes(message)
            for _ in range(20_000):
                await socket.send_bytes(b"\0")
            await socket.send_str("x" * 1000)

    await hostile.never_stops(talk)
