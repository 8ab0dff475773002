"""The contract library gives the same bytes as the reference: contract-sdk-vectors.json, list by list."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from . import vectors
from .native import NativeHarness


def _version() -> tuple[int, int]:
    python = os.environ.get("GUEST_PYTHON")
    if python is None:
        return sys.version_info[:2]
    show = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    major, minor = subprocess.run(show, capture_output=True, text=True, check=True).stdout.split()
    return int(major), int(minor)


# Generic classes in brackets came with 3.12; the WASI interpreter runs that vector in the executor's tests.
TOO_NEW = frozenset(("ST17",)) if _version() < (3, 12) else frozenset[str]()


def _each(name: str) -> pytest.MarkDecorator:
    left_out = vectors.NEEDS_NUMPY | TOO_NEW
    chosen = [vector for vector in vectors.VECTORS[name] if vector["id"] not in left_out]
    return pytest.mark.parametrize("vector", chosen, ids=[vector["id"] for vector in chosen])


@_each("storage")
def test_storage_holds_the_reference_bytes(harness: NativeHarness, vector: dict[str, Any]) -> None:
    vectors.check_storage(harness, vector)


@_each("schema")
def test_schema_is_the_reference_text(harness: NativeHarness, vector: dict[str, Any]) -> None:
    vectors.check_schema(harness, vector)


@_each("dispatch")
def test_dispatch_ends_as_the_reference(harness: NativeHarness, vector: dict[str, Any]) -> None:
    vectors.check_dispatch(harness, vector)


@_each("gl_call")
def test_requests_are_the_reference_bytes(harness: NativeHarness, vector: dict[str, Any]) -> None:
    vectors.check_gl_call(harness, vector)


@_each("substages")
def test_nondeterministic_requests_are_the_reference_bytes(
    harness: NativeHarness, vector: dict[str, Any]
) -> None:
    vectors.check_substage(harness, vector)
