"""From a message to a method, as this line does it (contract-sdk-v03 2.2 and 16.1)."""

from __future__ import annotations

from typing import Any

from genlayer_core.dispatch import Dispatch, abstract, not_public, value_for_non_payable

from ..storage.root import Root
from .messages import METHOD_KEY

_FORMS: dict[str, type] = {"args": list, "kwargs": dict}


def _check(request: dict[str, Any]) -> None:
    for key, form in _FORMS.items():
        if not isinstance(given := request.get(key, form()), form):
            kind = type(given).__name__
            raise TypeError(f"invalid calldata, expected `{key}` to be {form.__name__}, got `{kind}`")


DISPATCH = Dispatch(
    root=Root,
    method_keys=(METHOD_KEY,),
    objections=(abstract, not_public, value_for_non_payable),
    check=_check,
)
