"""Sandboxes and nondeterministic blocks (contract-sdk-v03 9.2 and 9.3)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import cloudpickle  # type: ignore[import-untyped,unused-ignore]
from genlayer_core import requests
from genlayer_core.deferred import LazyCapable
from genlayer_core.storage.pages import HOST
from genlayer_core.types import Lazy

from .results import Result, Return, UserError, VMError, decode_result, delivered
from .runners import RunnerID, RunnerIDOps

if TYPE_CHECKING:
    from typing_extensions import Buffer

T = TypeVar("T")
SandboxChangesOnError = Literal["inherit"]
Runners = Sequence[RunnerID] | None


@LazyCapable
def spawn_runner(
    runner: RunnerID,
    data: Buffer,
    /,
    *,
    allow_write_storage: bool = False,
    allow_send_messages: bool = False,
    custom_runners: Runners = None,
    changes_on_error: SandboxChangesOnError = "inherit",
) -> Lazy[Result]:
    """Start a runner in a fresh VM, `data` as its entry; never raises for how it ends."""
    payload = {
        "runner": runner,
        "data": bytes(data),
        "allow_write_storage": allow_write_storage,
        "allow_send_messages": allow_send_messages,
        "custom_runners": custom_runners,
        "changes_on_error": changes_on_error,
    }
    reply = requests.ask("Sandbox", payload)
    if allow_write_storage:
        HOST.forget_reads()
    return Lazy(lambda: decode_result(reply))


@LazyCapable
def spawn_sandbox(fn: Callable[[], Any], **options: Any) -> Lazy[Result]:
    """Run a function in a fresh VM; the options of `spawn_runner`."""
    return spawn_runner.lazy(RunnerIDOps.CONTRACT, cloudpickle.dumps(fn), **options)


def _leader_stage(leader_fn: Callable[[], Any], stage: Any) -> Any:
    if stage is not None:
        raise TypeError("leader stage data must be None")
    return leader_fn()


def _validator_stage(validator_fn: Callable[[Result], Any], stage: Any) -> Any:
    return validator_fn(decode_result(stage["leader_result"]))


@LazyCapable
def run_nondet(
    leader_fn: Callable[[], T],
    validator_fn: Callable[[Result], bool],
    /,
    *,
    custom_runners: Runners = None,
    catch_vm_error: bool = False,
) -> Lazy[T | VMError]:
    """The leader's value, agreed on by validators whose `validator_fn(leader's result)` returns True.

    Raises UserError when the leader's result is one.
    """
    reply = requests.ask(
        "RunNondet",
        {
            "data_leader": cloudpickle.dumps(functools.partial(_leader_stage, leader_fn)),
            "data_validator": cloudpickle.dumps(functools.partial(_validator_stage, validator_fn)),
            "custom_runners": custom_runners,
            "catch_vm_error": catch_vm_error,
        },
    )
    return Lazy(lambda: delivered(reply, catch_vm_error=catch_vm_error))


def _same_data(leader: UserError, mine: UserError) -> bool:
    return bool(leader.data == mine.data)


def _same_code(leader: VMError, mine: VMError) -> bool:
    return leader.public_code == mine.public_code


def _compare_kinds(
    validator_fn: Callable[[Result], bool],
    compare_user_errors: Callable[[UserError, UserError], bool],
    compare_vm_errors: Callable[[VMError, VMError], bool],
    leader: Result,
) -> bool:
    # A leader's UserError does not survive the way into this sandbox: then it ends with exit_code 1.
    judge = functools.partial(validator_fn, leader)
    mine = spawn_sandbox(judge, allow_write_storage=True, allow_send_messages=True)
    if isinstance(mine, Return) and isinstance(leader, Return):
        if not isinstance(mine.calldata, bool):
            raise TypeError(f"validator function returned non-bool `{mine.calldata}`")
        return mine.calldata
    if isinstance(mine, UserError) and isinstance(leader, UserError):
        return compare_user_errors(leader, mine)
    if isinstance(mine, VMError) and isinstance(leader, VMError):
        return compare_vm_errors(leader, mine)
    raise TypeError(f"validator function returned `{mine}` while leader returned `{leader}`")


@LazyCapable
def run_nondet_default(
    leader_fn: Callable[[], T],
    validator_fn: Callable[[Result], bool],
    /,
    *,
    compare_user_errors: Callable[[UserError, UserError], bool] = _same_data,
    compare_vm_errors: Callable[[VMError, VMError], bool] = _same_code,
    custom_runners: Runners = None,
    catch_vm_error: bool = False,
) -> Lazy[T | VMError]:
    """Like `run_nondet`, with the validator in a sandbox and errors compared by kind and content."""
    validator = functools.partial(_compare_kinds, validator_fn, compare_user_errors, compare_vm_errors)
    return run_nondet.lazy(leader_fn, validator, custom_runners=custom_runners, catch_vm_error=catch_vm_error)
