"""The names that a check takes are those of the module's providers."""

from __future__ import annotations

from typing import get_args

from genvm_llm.providers import PROVIDERS
from genvm_wire.providers import ProviderName


def test_one_list_of_names() -> None:
    assert set(PROVIDERS) == set(get_args(ProviderName))
