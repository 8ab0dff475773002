"""Ways for validators to agree with a leader (contract-sdk-v03 10)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from genlayer_core.deferred import LazyCapable as _LazyCapable
from genlayer_core.types import Lazy

from . import vm as _vm
from .nondet import _ask_template

T = TypeVar("T")


def _equals(fn: Callable[[], Any], leader: _vm.Result) -> bool:
    return _vm.spawn_sandbox(fn) == leader


@_LazyCapable
def strict_eq(fn: Callable[[], T], /) -> Lazy[T]:
    """Agree when running `fn` again gives the same result, errors with their details included."""
    return _vm.run_nondet.lazy(fn, functools.partial(_equals, fn))  # type: ignore[return-value]


def _comparable(fn: Callable[[], Any], principle: str, leader: _vm.Result) -> bool:
    mine = fn()
    if not isinstance(leader, _vm.Return):
        return False
    answers = {"leader_answer": format(leader.calldata), "validator_answer": format(mine)}
    return _ask_template("EqComparative", "comparative", bool, **answers, principle=principle)


@_LazyCapable
def prompt_comparative(fn: Callable[[], T], principle: str) -> Lazy[T]:
    """Agree when a language model finds both answers equal under `principle`."""
    return _vm.run_nondet_default.lazy(fn, functools.partial(_comparable, fn, principle))  # type: ignore[return-value]


def _input_of(fn: Callable[[], str]) -> str:
    value = fn()
    assert isinstance(value, str), f"the function gives the input as str, not {type(value).__name__}"
    return value


def _answer(fn: Callable[[], str], task: str, criteria: str) -> str:
    fields = {"task": task, "input": _input_of(fn), "criteria": criteria}
    return _ask_template("EqNonComparativeLeader", "non-comparative leader", str, **fields)


def _acceptable(fn: Callable[[], str], task: str, criteria: str, leader: _vm.Result) -> bool:
    given = _input_of(fn)
    if not isinstance(leader, _vm.Return):
        return False
    fields = {"task": task, "output": leader.calldata, "input": given, "criteria": criteria}
    return _ask_template("EqNonComparativeValidator", "non-comparative validator", bool, **fields)


@_LazyCapable
def prompt_non_comparative(fn: Callable[[], str], /, *, task: str, criteria: str) -> Lazy[str]:
    """A language model does `task` on the input; validators check the answer against `criteria`."""
    leader = functools.partial(_answer, fn, task, criteria)
    validator = functools.partial(_acceptable, fn, task, criteria)
    return _vm.run_nondet_default.lazy(leader, validator)  # type: ignore[return-value]


__all__ = ("prompt_comparative", "prompt_non_comparative", "strict_eq")
