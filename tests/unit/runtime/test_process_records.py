"""Which process an instance directory belongs to, after a crash."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.runtime import process_records


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_noted_process_is_killed(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    process_records.write(tmp_path, child.pid)
    assert process_records.kill(tmp_path)
    assert child.wait() == -9


@pytest.mark.parametrize(
    "text", ["", "x", "1 1", "-1 5", "{pid}", "{pid} 1", "{pid} None", "99999999999999 5"]
)
def test_a_record_that_does_not_fit_kills_nobody(
    tmp_path: Path, child: subprocess.Popen[bytes], text: str
) -> None:
    (tmp_path / "process").write_text(text.format(pid=child.pid))
    assert not process_records.kill(tmp_path)
    assert child.poll() is None


def test_a_fifo_or_a_link_in_its_place_is_not_followed(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "real").mkdir()
    process_records.write(tmp_path / "real", child.pid)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "process").symlink_to(tmp_path / "real" / "process")
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / "process")
    assert not process_records.kill(tmp_path / "link")
    assert not process_records.kill(tmp_path / "fifo")
    assert child.poll() is None


def test_a_note_for_a_directory_that_is_gone_fails(tmp_path: Path) -> None:
    """Another manager has removed it: whoever would be noted there could not be found again."""
    with pytest.raises(FileNotFoundError):
        process_records.write(tmp_path / "gone", os.getpid())
    assert not process_records.kill(tmp_path / "gone")
