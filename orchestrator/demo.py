"""`genvm-orchestrator demo`: a manager, a node and contracts in containers, from nothing to nothing."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from genvm_wire.address import Address
from genvm_wire.calldata import to_text
from orchestrator.api.context import CONTEXT
from orchestrator.clock import MACHINE_CLOCK, Ticks, sleep
from orchestrator.composition import Manager, manager
from orchestrator.demo_services import KEY, KEY_NAME, RATE, serving
from orchestrator.engine_client import engine_address
from orchestrator.imaging.checkout import find_checkout
from orchestrator.logs import configure_logs
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient
from orchestrator.readiness import Readiness
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import LogFormat, Settings

ALICE = Address(b"\xa1" * 20)
BOB = Address(b"\xb0" * 20)
# A browser's first page on a busy machine takes long; an endless loop is to be watched to its end.
LONGEST_RUN_SECONDS, LONGEST_LOOP_SECONDS = 180.0, 12.0
SHOWN = 76
# An engine that answers does so at once; one that was only just started takes a few seconds.
READY_SECONDS, LOOK_SECONDS = 30.0, 0.2


class DemoFailed(Exception):
    """A step did not end as it must; the text says which."""


async def demo(*, verbose: bool) -> int:
    """Run the demo; 0 when every step ended as it must and nothing was left behind."""
    configure_logs("info" if verbose else "error", LogFormat.TEXT)
    if not verbose:
        logging.disable(logging.WARNING)
    examples = find_checkout(None).root / "examples"
    folder = Path(tempfile.mkdtemp(prefix="genvm-demo-"))
    try:
        async with playground(folder, LONGEST_RUN_SECONDS) as (running, client, node):
            print(f"a manager runs; its containers carry the label of state directory {folder}\n")
            counter = await play(node, examples)
            await play_with_modules(client, node, examples)
            await nothing_left(running)
        async with playground(folder, LONGEST_LOOP_SECONDS) as (running, _, node):
            print(f"\nthe manager again, with {LONGEST_LOOP_SECONDS:.0f} s for a run")
            await play_with_a_loop(node, counter)
            await nothing_left(running)
    except DemoFailed as failure:
        print(f"\nthe demo failed: {failure}", file=sys.stderr)
        return 1
    finally:
        await asyncio.to_thread(shutil.rmtree, folder)
    print("\nno container, permit or file is left")
    return 0


@asynccontextmanager
async def playground(
    folder: Path, longest_run: float
) -> AsyncIterator[tuple[Manager, ManagerClient, NodeClient]]:
    """A manager on a socket of its own, a client of its API, and a node that talks to it over HTTP.

    `longest_run`: seconds. The chain of a folder is one, whichever manager runs its contracts.
    """
    settings = Settings(
        state_dir=folder / "state",
        socket=folder / "manager.sock",
        longest_run=longest_run,
        end_grace=0.5,
        # Whatever the environment says of the machine's own manager.
        tokens_file=None,
        operator_socket=None,
        audit_file=None,
    )
    async with manager(settings) as running, listening(running) as address:
        engine = await asyncio.to_thread(engine_of, settings)
        await until_ready(running.app[CONTEXT].readiness, engine)
        store = NodeStore(folder / "node.sqlite")
        try:
            async with ManagerClient(address) as client:
                yield running, client, NodeClient(store, client)
        finally:
            store.close()


async def until_ready(readiness: Readiness, engine: str, clock: Ticks = MACHINE_CLOCK) -> None:
    """Wait for the engine, as `/readyz` sees it. Raises DemoFailed: a run would wait for all of its time.

    What else is not ready is no reason to show nothing: a run says it, or does without.
    """
    begun = clock.time()
    while (why := readiness.failing().get("engine")) is not None:
        if clock.time() - begun >= READY_SECONDS:
            raise DemoFailed(
                f"the manager was not ready within {READY_SECONDS:.0f} s: {why} "
                f"({engine}; `genvm-orchestrator doctor` looks at it)"
            )
        await sleep(clock, LOOK_SECONDS)


def engine_of(settings: Settings) -> str:
    """Which engine it is that has to answer, in words. Blocking."""
    if settings.runtime is not RuntimeName.DOCKER:
        return f"the runtime is {settings.runtime}"
    address = engine_address(settings.docker_url).removeprefix("http+")
    return f"the engine is {address}: start it, or name another with DOCKER_HOST"


async def play(node: NodeClient, examples: Path) -> Address:
    """The steps, each with what it must end in; the counter that was deployed."""
    code = await asyncio.to_thread((examples / "counter.py").read_bytes)
    deployed = await step("deploy counter.py with 5", node.deploy(code, [5], sender=ALICE), "Return")
    counter = deployed.address
    await step("write: add 3", node.call(counter, "add", [3], sender=BOB), "Return", 8)
    await step("read: get", node.view(counter, "get"), "Return", 8)
    await step("rollback: add -1", node.call(counter, "add", [-1], sender=BOB), "UserError")
    await step("read: still 8", node.view(counter, "get"), "Return", 8)
    code = await asyncio.to_thread((examples / "ledger.py").read_bytes)
    ledger = (
        await step("deploy ledger.py", node.deploy(code, ["Gold", 100], sender=ALICE), "Return")
    ).address
    await step("transfer 30 to bob", node.call(ledger, "transfer", [BOB, 30], sender=ALICE), "Return")
    await step("bob's balance", node.view(ledger, "balance_of", [BOB]), "Return", 30)
    await step("transfer too much", node.call(ledger, "transfer", [ALICE, 31], sender=BOB), "UserError")
    return counter


async def play_with_a_loop(node: NodeClient, counter: Address) -> None:
    """A contract that never ends by itself."""
    killed = await step("an endless loop", node.call(counter, "spin", sender=BOB), "VmError", "timeout")
    if killed.status.get("cause") != "deadline":
        raise DemoFailed(f"the loop ended by {killed.status.get('cause')}, not by its deadline")
    await step("read: the loop changed nothing", node.view(counter, "get"), "Return", 8)


async def play_with_modules(client: ManagerClient, node: NodeClient, examples: Path) -> None:
    """A contract that reads a page and has it judged, through the module containers."""
    code = await asyncio.to_thread((examples / "judge.py").read_bytes)
    async with serving() as services:
        print(
            "\nthe modules start; they are asked by a contract alone, and reach a page on this machine and a"
        )
        print("STAND-IN for a language model (it says yes when the prompt holds what the page says)")
        await client.set_variable(KEY_NAME, KEY)
        await client.start_module("Web", services.web_config)
        await client.start_module("Llm", services.llm_config)
        judge = (await step("deploy judge.py", node.deploy(code, [], sender=ALICE), "Return")).address
        asked = await step(
            "judge: render the page, ask the stand-in",
            node.call(judge, "judge", [services.page, "a euro is more than a dollar"], sender=BOB),
            "Return",
            "yes",
        )
        print(f"    used {asked.status.get('metrics')}")
        await step("read: the verdict", node.view(judge, "get"), "Return", "yes")
        if not any(RATE in prompt for prompt in services.prompts):
            raise DemoFailed("the stand-in was never asked about the page")


async def step(title: str, work: Awaitable[RunReport], kind: str, data: object = ...) -> RunReport:
    """Run one step and show it. Raises DemoFailed when it did not end as `kind` with `data`."""
    outcome = await work
    shown = outcome.failure if outcome.result is None else to_text(outcome.result.data)
    container = str(outcome.status.get("container_id") or "-")[:12]
    times = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in outcome.timings.items())
    print(f"{title}\n    {outcome.kind} {shown[:SHOWN]}")
    print(f"    run {outcome.run_id}, container {container}, {outcome.status.get('cause')}; {times}")
    if outcome.kind != kind or (data is not ... and (outcome.result is None or outcome.result.data != data)):
        print_lines(outcome.stderr.splitlines())
        raise DemoFailed(f"{title!r} ended in {outcome.kind} {shown[:SHOWN]}, not in {kind}")
    return outcome


def print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"    | {line}")


async def nothing_left(running: Manager) -> None:
    """Every run is released; the engine has no container of this manager. Raises DemoFailed."""
    await running.executions.shut_down(drain=5, grace=0)
    statistics = running.executions.statistics()
    await running.modules.shut_down()
    left = await running.runtime.sweep(frozenset())
    if left or statistics.permits.in_use:
        raise DemoFailed(f"left behind: containers {left}, permits {statistics.permits.in_use}")
