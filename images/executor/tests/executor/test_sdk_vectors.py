"""contract-sdk-vectors.json in the real WASI interpreter (ST22 needs numpy, which is not there)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from guest import vectors

from genvm_executor.machine.engine import deterministic_engine, reserve_native_stack
from genvm_executor.python.programs import Programs

from .wasi_harness import WasiHarness


@pytest.fixture(scope="package")
def harness(precompiled: Path) -> WasiHarness:
    reserve_native_stack()
    return WasiHarness(Programs.stored(deterministic_engine(), precompiled))


def _each(name: str) -> pytest.MarkDecorator:
    chosen = [vector for vector in vectors.VECTORS[name] if vector["id"] not in vectors.NEEDS_NUMPY]
    return pytest.mark.parametrize("vector", chosen, ids=[vector["id"] for vector in chosen])


@_each("storage")
def test_storage_holds_the_reference_bytes(harness: WasiHarness, vector: dict[str, Any]) -> None:
    vectors.check_storage(harness, vector)


@_each("schema")
def test_schema_is_the_reference_text(harness: WasiHarness, vector: dict[str, Any]) -> None:
    vectors.check_schema(harness, vector)


@_each("dispatch")
def test_dispatch_ends_as_the_reference(harness: WasiHarness, vector: dict[str, Any]) -> None:
    vectors.check_dispatch(harness, vector)


@_each("gl_call")
def test_requests_are_the_reference_bytes(harness: WasiHarness, vector: dict[str, Any]) -> None:
    vectors.check_gl_call(harness, vector)


@_each("substages")
def test_nondeterministic_requests_are_the_reference_bytes(
    harness: WasiHarness, vector: dict[str, Any]
) -> None:
    vectors.check_substage(harness, vector)
