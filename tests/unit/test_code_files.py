"""Kept code is found again by those whose it is, is bounded, and is never believed without its digest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.store.codes import NAME, UNUSED_SECONDS, CodeFiles, KeptCode

COMPILER, SOURCE, OTHER = b"c" * 32, b"s" * 32, b"o" * 32
KEPT = KeptCode(b"some code", 77)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "codes"


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_was_written_is_there_after_a_restart(folder: Path) -> None:
    CodeFiles(folder).write(COMPILER, SOURCE, KEPT)
    again = CodeFiles(folder)
    assert again.read(COMPILER, SOURCE) == KEPT
    assert [again.read(OTHER, SOURCE), again.read(COMPILER, OTHER), again.read(SOURCE, COMPILER)] == [
        None
    ] * 3
    assert only_file(folder).stat().st_mode & 0o077 == 0 or folder.stat().st_mode & 0o077 == 0


def test_nobody_gets_what_is_anothers_under_his_name(folder: Path) -> None:
    files = CodeFiles(folder)
    files.write(COMPILER, SOURCE, KEPT)
    theirs = only_file(folder).read_bytes()
    files.write(COMPILER, OTHER, KeptCode(b"own", 1))
    for path in folder.iterdir():
        path.write_bytes(theirs)
    assert files.read(COMPILER, OTHER) is None
    assert files.read(COMPILER, SOURCE) == KEPT


@pytest.mark.parametrize(
    "spoil", [lambda data, at: data[:at], lambda data, at: data[:at] + b"!" + data[at + 1 :]]
)
def test_what_is_spoilt_is_not_there_and_goes(folder: Path, spoil: object) -> None:
    assert callable(spoil)
    files = CodeFiles(folder)
    files.write(COMPILER, SOURCE, KEPT)
    whole = only_file(folder).read_bytes()
    for at in range(len(whole)):
        only = folder / f"{only_file(folder).name}"
        only.write_bytes(spoil(whole, at))
        assert files.read(COMPILER, SOURCE) is None, at
        assert list(folder.iterdir()) == []
        files.write(COMPILER, SOURCE, KEPT)


def test_what_was_used_longest_ago_makes_room(folder: Path) -> None:
    files = CodeFiles(folder, most_bytes=4 * 4096)
    sources = [bytes([n]) * 32 for n in range(6)]
    for age, source in enumerate(sources[:4]):
        files.write(COMPILER, source, KEPT)
        for path in folder.iterdir():
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 7200))
        assert age == 0 or files.read(COMPILER, sources[0]) == KEPT
    for source in sources[4:]:
        files.write(COMPILER, source, KEPT)
    there = [files.read(COMPILER, source) is not None for source in sources]
    assert there == [True, False, False, True, True, True]


def test_what_nobody_used_for_long_is_collected(folder: Path) -> None:
    files = CodeFiles(folder)
    assert (files.unused(), files.collect()) == ([], [])
    files.write(COMPILER, SOURCE, KEPT)
    old = only_file(folder)
    files.write(COMPILER, OTHER, KEPT)
    os.utime(old, (0, old.stat().st_mtime - UNUSED_SECONDS - 60))
    assert files.unused() == [old]
    assert files.collect() == [old.name]
    assert old.name.startswith(NAME)
    assert (files.read(COMPILER, SOURCE), files.read(COMPILER, OTHER)) == (None, KEPT)
