"""What the loop may ask of a file system, beside what a thread asks: the same answer, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.executions import node_files
from orchestrator.executions.node_files import WAITING, MayWait, NodeFiles, PromptFiles, prompt_files


@pytest.fixture
def prompt(tmp_path: Path) -> PromptFiles:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("")
    (tmp_path / "link").symlink_to("folder/file")
    (tmp_path / "away").symlink_to("nowhere")
    return PromptFiles(frozenset({tmp_path.stat().st_dev}))


def asked(files: NodeFiles, path: str) -> object:
    try:
        return files.identity(path)
    except MayWait:
        return MayWait


NAMES = ("folder", "folder/file", "link", "folder/../link", "away", "missing", "folder/file/below")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_what_a_thread_finds_or_nothing_is_said(prompt: PromptFiles, tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    assert asked(prompt, path) in (asked(WAITING, path), MayWait)


def test_no_file_has_such_a_name(prompt: PromptFiles, tmp_path: Path) -> None:
    assert prompt.identity(f"{tmp_path}/a\0b") is None


def test_another_file_system_is_not_opened(prompt: PromptFiles) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(MayWait):
        prompt.open("/proc/self/status")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_kernel_without_the_call_leaves_all_to_threads(
    prompt: PromptFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_files, "_OPENAT2", 0xFFFF)
    with pytest.raises(MayWait):
        prompt.identity(str(tmp_path))


def test_links_in_what_is_allowed_are_left_to_threads(prompt: PromptFiles) -> None:
    with pytest.raises(MayWait):
        prompt.real("/tmp")


def test_this_machines_own_disks_are_among_them() -> None:
    assert prompt_files()


def test_a_path_of_the_operator_s_is_asked_about_plainly_where_its_way_is_prompt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not there is known to be missing at once, and what comes later is seen."""
    way = frozenset(one.stat().st_dev for one in (tmp_path, *tmp_path.parents))
    monkeypatch.setattr(node_files, "prompt_devices", lambda: way)
    missing = tmp_path / "new" / "engine.sock"
    files = prompt_files([str(missing), "/proc/self/status"])
    assert files.identity(str(missing)) is None
    missing.parent.mkdir()
    missing.touch()
    assert files.identity(str(missing)) == WAITING.identity(str(missing))


def test_a_path_that_leads_to_a_slow_file_system_is_not_asked_about_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "engine.sock"
    link.symlink_to("/proc/self/status")
    files = prompt_files([str(link)])

    def asked(_: object, path: str) -> None:
        pytest.fail(f"{path} was asked about on the loop")

    monkeypatch.setattr(type(WAITING), "identity", asked)
    files.identity(str(link))
