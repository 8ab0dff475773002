"""The local node's commands, with one manager of their own for all of them."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from genvm_wire.address import Address
from orchestrator.logs import configure_logs
from orchestrator.node import arguments, cli
from orchestrator.node.delivery import Delivery, Endless
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient
from orchestrator.settings import LogFormat
from orchestrator.workbench import workbench
from tests.developer.test_dev_session import EXAMPLES

ALICE = "0x" + "a1" * 20
ME = Address.from_hex(ALICE)
ECHO = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *

class Echo(gl.Contract):
    n: u256

    def __init__(self):
        pass

    @gl.public.view
    def same(self, value):
        return value

    @gl.public.write
    def again(self):
        self.n += 1
        gl.get_contract_at(gl.message.contract_address).emit(on="accepted").again()

    @gl.public.view
    def count(self) -> int:
        return self.n
"""


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    arguments.add_commands(parser.add_subparsers(dest="command", required=True))
    return parser.parse_args(words)


class Commands:
    """Runs command lines against one manager and one state file."""

    def __init__(self, manager: ManagerClient, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._manager = manager
        self._state = state
        self._capsys = capsys

    async def run(self, *words: str) -> tuple[int, str, str]:
        args = await asyncio.to_thread(parsed, *words, "--state", str(self._state))
        code = await cli.run(args, self._opened)
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def json(self, *words: str) -> dict[str, Any]:
        _, out, _ = await self.run(*words, "--json")
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[ManagerClient]:
        yield self._manager


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    configure_logs("error", LogFormat.TEXT)
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def manager(loop: asyncio.Runner, in_this_process: None) -> Iterator[ManagerClient]:
    opened = workbench()
    yield loop.run(opened.__aenter__())
    loop.run(opened.__aexit__(None, None, None))


@pytest.fixture
def commands(manager: ManagerClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(manager, tmp_path / "node.sqlite", capsys)


def test_deploy_call_view_and_what_is_kept_of_them(loop: asyncio.Runner, commands: Commands) -> None:
    async def story() -> None:
        deployed = await commands.json("deploy", str(EXAMPLES / "counter.py"), "5", "--from", ALICE)
        address, name = deployed["address"], deployed["transaction"]
        code, out, _ = await commands.run("call", address, "add", "--arg", "u8:3", "--from", ALICE)
        assert (code, out.splitlines()[0]) == (0, "Return    8")
        assert (await commands.json("view", address, "summary"))["data"] == {
            "value": 8,
            "last": {"$addr": ALICE},
            "history": [3],
        }
        code, out, _ = await commands.run("tx", name[:10])
        assert code == 0
        assert out.splitlines()[:5] == [
            f"tx        {name}",
            "kind      deploy, finished, finalized",
            f"from      {ALICE}",
            f"contract  {address}",
            "call      (5)",
        ]
        _, out, _ = await commands.run("tx")
        assert [line.partition(" to ")[0] for line in out.splitlines()] == ["deploy", "add(3)"]
        code, _, err = await commands.run("tx", "0xffff")
        assert (code, "there is no transaction" in err) == (2, True)

    loop.run(story())


def test_errors_show_the_contracts_own_line(loop: asyncio.Runner, commands: Commands) -> None:
    async def story() -> None:
        address = (await commands.json("deploy", str(EXAMPLES / "counter.py")))["address"]
        code, out, _ = await commands.run("call", address, "add", "--arg", "str:many")
        assert code == 1
        (at,) = [line for line in out.splitlines() if line.startswith("at ")]
        assert at == (
            "at        contract:30, in add: if amount < 0:: "
            "TypeError: '<' not supported between instances of 'str' and 'int'"
        )

    loop.run(story())


def test_messages_are_delivered_and_shown(loop: asyncio.Runner, commands: Commands) -> None:
    async def story() -> None:
        code = f"file:{EXAMPLES / 'counter.py'}"
        factory = (await commands.json("deploy", str(EXAMPLES / "factory.py"), "--arg", code))["address"]
        made = await commands.json("call", factory, "make", "4")
        assert [one["kind"] for one in made["delivered"]] == ["deploy"]
        held = await commands.json("call", factory, "add_to_all", "2", "--no-deliver")
        assert held["delivered"] == []
        assert (await commands.json("view", factory, "total"))["data"] == 4
        waiting = await commands.json("tx", held["transaction"])
        assert [message["delivery"] for message in waiting["messages"]] == [None]
        _, out, _ = await commands.run("call", factory, "add_to_all", "3")
        shown = [line.split(" ")[1] for line in out.splitlines() if line.startswith("delivered")]
        assert shown == ["add(2)", "add(3)"]
        assert (await commands.json("view", factory, "total"))["data"] == 9

    loop.run(story())


def test_contracts_of_the_second_generation_are_as_good(loop: asyncio.Runner, commands: Commands) -> None:
    """Deploy, call, view, schema, messages, errors with values: as of the first."""

    async def story() -> None:
        code = f"file:{EXAMPLES / 'ballot.py'}"
        shop = (await commands.json("deploy", str(EXAMPLES / "workshop.py"), "--arg", code))["address"]
        made = await commands.json("call", shop, "make", "Tea?", '["yes", "no"]')
        assert [one["kind"] for one in made["delivered"]] == ["deploy"]
        poll = made["data"]["$addr"]
        _, out, _ = await commands.run("call", shop, "vote", poll, "1")
        assert [line.split(" ")[1] for line in out.splitlines() if line.startswith("delivered")] == [
            "vote(1)"
        ]
        assert (await commands.json("view", poll, "result"))["data"] == {"yes": 0, "no": 1}
        refused = await commands.json("call", poll, "vote", "9")
        assert (refused["kind"], refused["data"]) == ("UserError", {"code": "unknown", "choice": 9})
        done, out, _ = await commands.run("schema", poll)
        assert (done, "vote" in out) == (0, True)

    loop.run(story())


def test_what_is_printed_is_what_was_passed(loop: asyncio.Runner, commands: Commands, tmp_path: Path) -> None:
    """Typed arguments reach the contract as what they are, and come back so that they can be told apart."""
    contract, text = tmp_path / "echo.py", tmp_path / "text"
    contract.write_bytes(ECHO)
    text.write_text('{"a": [1]}')
    words = {
        "u256:0x10": "16",
        "i8:-5": "-5",
        "str:5": '"5"',
        "bool:true": "true",
        "bytes:00ff": "b#00ff",
        f"address:{ALICE}": f"addr#{ALICE[2:]}",
        "null:": "null",
        'json:{"k": [1, "x"]}': '{"k":[1,"x"]}',
        f"text:{text}": '"{\\"a\\": [1]}"',
        f"jsonfile:{text}": '{"a":[1]}',
        f"file:{text}": "b#" + b'{"a": [1]}'.hex(),
    }

    async def story() -> None:
        address = (await commands.json("deploy", str(contract)))["address"]
        for word, shown in words.items():
            _, out, _ = await commands.run("view", address, "same", "--arg", word)
            assert out.splitlines()[0] == f"Return    {shown}"

    loop.run(story())


def test_messages_without_end_stop_and_wait(loop: asyncio.Runner, manager: ManagerClient) -> None:
    async def story(store: NodeStore) -> None:
        node = NodeClient(store, manager)
        echo = (await node.deploy(ECHO, sender=ME)).address
        await node.call(echo, "again", sender=ME)
        with pytest.raises(Endless):
            await Delivery(node, most=3).settle()
        seen = await node.view(echo, "count")
        assert seen.result is not None
        assert seen.result.data == 4
        assert await asyncio.to_thread(store.is_waiting, "accepted")

    with NodeStore(":memory:") as store:
        loop.run(story(store))
