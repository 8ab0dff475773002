"""Imports that this interpreter cannot serve say what they would need (contract-sdk 1: tier 3)."""

from __future__ import annotations

import pytest

from .contracts import deploy, value_of
from .native import NativeHarness


@pytest.mark.parametrize("module", ["genlayermodelwrappers", "genlayer_embeddings", "onnx"])
def test_a_missing_package_says_what_it_needs(harness: NativeHarness, module: str) -> None:
    outcome = deploy(harness, "x: u8", "pass", f"import {module}")
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert f"ModuleNotFoundError: No module named '{module}': it needs" in outcome.stderr


def test_a_contract_with_a_way_around_takes_it(harness: NativeHarness) -> None:
    before = """
        try:
            import onnx
        except ImportError:
            onnx = None
        """
    assert value_of(deploy(harness, "x: u8", "return onnx is None", before)) is True


def test_an_unknown_module_fails_as_ever(harness: NativeHarness) -> None:
    outcome = deploy(harness, "x: u8", "pass", "import nowhere_at_all")
    assert outcome.stderr.strip().endswith("ModuleNotFoundError: No module named 'nowhere_at_all'")


def test_a_store_of_vectors_says_what_it_needs(harness: NativeHarness) -> None:
    outcome = deploy(harness, "db: VecDB[int]", "pass", "from genlayer import VecDB")
    assert outcome.kind == "VMError"
    assert "VecDB needs numpy and a model for embeddings" in outcome.stderr
