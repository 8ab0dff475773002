"""The contract is found without a search, and what is found is what the interpreter would have found."""

from __future__ import annotations

import importlib
import linecache
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import _contract_finder
import pytest
from _contract_finder import ContractFinder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What stands for the guest's `/`: nothing but the finder knows the folder."""
    monkeypatch.setattr(_contract_finder, "PATH", str(tmp_path / "contract.py"))
    monkeypatch.setattr(_contract_finder, "PACKAGE", str(tmp_path / "contract" / "__init__.py"))
    monkeypatch.setattr(sys, "meta_path", [ContractFinder, *sys.meta_path])
    yield tmp_path
    sys.modules.pop("contract", None)


def test_a_contract_is_imported_from_its_file(root: Path) -> None:
    (root / "contract.py").write_text("answer = 42\n")
    module = importlib.import_module("contract")
    assert (module.answer, module.__file__, module.__package__) == (42, str(root / "contract.py"), "")
    assert not hasattr(module, "__path__")
    assert sorted(path.name for path in root.iterdir()) == ["contract.py"]


def test_a_long_contract_is_whole(root: Path) -> None:
    (root / "contract.py").write_text(f"text = {'x' * (3 << 20)!r}\n")
    assert len(importlib.import_module("contract").text) == 3 << 20


def test_a_traceback_shows_the_contracts_lines(root: Path) -> None:
    (root / "contract.py").write_text("def go():\n    return 1 // 0  # here\n")
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("contract").go()
    linecache.clearcache()
    shown = "".join(traceback.format_exception(caught.value))
    assert f'File "{root}/contract.py", line 2, in go\n    return 1 // 0  # here' in shown


def test_a_contract_that_does_not_parse_says_where(root: Path) -> None:
    (root / "contract.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(SyntaxError) as caught:
        importlib.import_module("contract")
    assert (caught.value.filename, caught.value.lineno) == (str(root / "contract.py"), 2)


def test_a_package_comes_before_a_file(root: Path) -> None:
    (root / "contract.py").write_text("")
    (root / "contract").mkdir()
    assert ContractFinder.find_spec("contract") is not None
    (root / "contract" / "__init__.py").write_text("")
    assert ContractFinder.find_spec("contract") is None


def test_what_is_no_file_is_left_to_others(root: Path) -> None:
    assert ContractFinder.find_spec("contract") is None
    (root / "contract.py").mkdir()
    assert ContractFinder.find_spec("contract") is None


def test_other_names_are_left_to_others(root: Path) -> None:
    (root / "contract.py").write_text("")
    for name in ("contracts", "contract.part", "genlayer"):
        assert ContractFinder.find_spec(name) is None
