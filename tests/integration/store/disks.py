"""Disks that fail."""

from __future__ import annotations

import os
import stat

import pytest


def refuse_links(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file has one name."""

    def refused(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refused)


def refuse_directories(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Files can be synchronised, directories cannot."""
    fsync = os.fsync

    def refused(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refused)
