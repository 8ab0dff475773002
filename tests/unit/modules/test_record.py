"""What the next manager learns of the modules."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.record import FILE_NAME, ModuleEntry, ModuleRecord

ENTRY = ModuleEntry(7, "llm-7", ("llm-5", "llm-6"), "image:1", True, False, True, order=3)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    entries = {ModuleKind.LLM: ENTRY, ModuleKind.WEB: ModuleEntry()}
    ModuleRecord(tmp_path).save(entries)
    assert ModuleRecord(tmp_path).load() == entries
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_versions_that_know_of_no_orders_read_the_entries(tmp_path: Path) -> None:
    ModuleRecord(tmp_path).save({ModuleKind.LLM: ENTRY, ModuleKind.WEB: ModuleEntry()})
    saved = json.loads((tmp_path / FILE_NAME).read_text())
    assert "order" not in saved["llm"]
    del saved["orders"]
    (tmp_path / FILE_NAME).write_text(json.dumps(saved))
    assert ModuleRecord(tmp_path).load()[ModuleKind.LLM] == replace(ENTRY, order=0)


def test_the_names_are_those_that_no_sweep_takes() -> None:
    assert ENTRY.names == {"llm-5", "llm-6", "llm-7"}
    assert ModuleEntry().names == frozenset()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"llm": 1}', '{"llm": {"unknown": 1}}', '"x"'])
def test_a_file_that_is_none_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    assert ModuleRecord(tmp_path).load() == dict.fromkeys(ModuleKind, ModuleEntry())
