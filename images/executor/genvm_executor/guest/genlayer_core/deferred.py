"""Functions with a `.lazy(...)` form (contract-sdk 5)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from .types import Lazy

P = ParamSpec("P")
R = TypeVar("R")


class LazyCapable(Generic[P, R]):
    """A function that waits for its result; `.lazy(...)` sends now and decodes the reply later."""

    def __init__(self, start: Callable[P, Lazy[R]]) -> None:
        functools.update_wrapper(self, start)
        self._start = start

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._start(*args, **kwargs).get()

    def lazy(self, *args: P.args, **kwargs: P.kwargs) -> Lazy[R]:
        """Send the request; `.get()` of the result decodes the reply."""
        return self._start(*args, **kwargs)

    def __reduce__(self) -> Any:
        # Pickled by name, like any function of a module.
        return self.__qualname__  # type: ignore[attr-defined]
