"""A file that a command may not have is one line with its name; a defect keeps its traceback."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from orchestrator.command_failures import explained
from tests.unit.test_bad_settings import refusal

FILTER = ("engine-filter", "--state-dir", "/tmp", "--engine", "/tmp/engine.sock", "--image", "x", "--listen")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR])
def test_a_file_that_cannot_be_had_is_named(number: int) -> None:
    error = OSError(number, os.strerror(number), "/closed/x")
    assert explained(error) == [f"/closed/x: {os.strerror(number)}"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "I/O error"),
        OSError(errno.EIO, "I/O error", "/closed/x"),
        OSError(errno.EMFILE, "Too many open files", "/closed/x"),
        OSError(errno.EACCES, "Permission denied", "/closed/x", None, "/closed/y"),
        PermissionError(),
        ValueError("x"),
    ],
)
def test_what_is_not_about_one_files_name_may_be_a_defect(error: Exception) -> None:
    assert explained(error) == []


@pytest.mark.parametrize(
    "command",
    [("images", "build", "--source", "{}"), ("images", "release", "{}", "v1"), (*FILTER, "{}")],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_name_that_no_file_can_have(command: tuple[str, ...], tmp_path: Path) -> None:
    name = str(tmp_path / ("n" * 260))
    said = refusal(1, *(word.format(name) for word in command))
    assert name in said
    assert "File name too long" in said


@pytest.mark.parametrize(
    "place", ["/proc/self/x", "/nonexistent/x", f"/tmp/{'n' * 120}"], ids=["closed", "absent", "too long"]
)
def test_a_socket_that_cannot_be_made_is_named(place: str) -> None:
    """In a directory where nobody makes files, whoever runs this."""
    assert refusal(1, *FILTER, place).startswith(f"genvm-orchestrator: {place}: ")
