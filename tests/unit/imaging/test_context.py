"""The build context: what gets in, and that only contents decide its digest."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from orchestrator.imaging.context import EPOCH, context_files, digest, write_tar
from orchestrator.imaging.failures import SourcesMissing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "image"
    (place / "package" / "__pycache__").mkdir(parents=True)
    (place / "Dockerfile").write_text("FROM x\n")
    (place / "package" / "code.py").write_text("pass\n")
    (place / "package" / "__pycache__" / "code.pyc").write_bytes(b"\0")
    return place


def packed(files: dict[str, Path]) -> bytes:
    target = io.BytesIO()
    write_tar(files, target)
    return target.getvalue()


def test_byte_code_stays_out(folder: Path) -> None:
    assert list(context_files(folder)) == ["Dockerfile", "package/code.py"]


def test_the_folders_own_dockerignore_counts_and_stays_out(folder: Path) -> None:
    (folder / ".dockerignore").write_text("# notes\n\npackage\n")
    assert list(context_files(folder)) == ["Dockerfile"]


def test_extra_files_and_folders_join_under_their_names(folder: Path, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("x==1\n")
    found = context_files(folder, {"requirements.lock": lock, "again": folder / "package"})
    assert list(found) == ["Dockerfile", "again/code.py", "package/code.py", "requirements.lock"]


def test_symlinks_are_never_followed(folder: Path) -> None:
    (folder / "secret").symlink_to("/etc/passwd")
    assert "secret" not in context_files(folder)


def test_a_missing_extra_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourcesMissing, match=r"absent\.lock is missing"):
        context_files(folder, {"requirements.lock": tmp_path / "absent.lock"})


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourcesMissing, match="nothing to build from"):
        context_files(tmp_path / "absent")


def test_times_change_neither_digest_nor_tar(folder: Path) -> None:
    files = context_files(folder)
    before = digest(files, {}), packed(files)
    os.utime(folder / "Dockerfile", (1, 1))
    assert (digest(files, {}), packed(files)) == before


@pytest.mark.parametrize("change", ["content", "mode", "name", "fact"])
def test_what_matters_changes_the_digest(folder: Path, change: str) -> None:
    before = digest(context_files(folder), {"parent": "a"})
    parent = "a"
    match change:
        case "content":
            (folder / "Dockerfile").write_text("FROM y\n")
        case "mode":
            (folder / "Dockerfile").chmod(0o755)
        case "name":
            (folder / "Dockerfile").rename(folder / "Other")
        case "fact":
            parent = "b"
    assert digest(context_files(folder), {"parent": parent}) != before


def test_the_tar_has_no_trace_of_the_machine(folder: Path) -> None:
    (folder / "Dockerfile").chmod(0o6777)
    with tarfile.open(fileobj=io.BytesIO(packed(context_files(folder)))) as archive:
        entries = list(archive)
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries} == {(0, 0, "", EPOCH)}
    assert {oct(entry.mode) for entry in entries} == {"0o755", "0o644"}
