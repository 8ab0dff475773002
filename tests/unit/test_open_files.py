"""Descriptors of this process: how many are left, and what it means to have none."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from orchestrator import descriptors
from orchestrator.executions.persistence import naming_descriptors
from orchestrator.runtime.port import EngineRefused, NoDescriptors


def test_each_open_file_is_counted() -> None:
    before = descriptors.left()
    opened = [os.dup(0) for _ in range(10)]
    assert descriptors.left() == before - 10
    for fd in opened:
        os.close(fd)
    assert descriptors.left() == before


def refused(number: int) -> EngineRefused:
    try:
        try:
            raise OSError(number, os.strerror(number))
        except OSError as error:
            raise EngineRefused("cannot start") from error
    except EngineRefused as failure:
        return failure


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_a_refusal_for_want_of_a_descriptor_is_no_refusal(number: int) -> None:
    assert descriptors.used_up(refused(number))
    with pytest.raises(NoDescriptors), naming_descriptors():
        raise refused(number)


def test_a_refusal_for_anything_else_is_one() -> None:
    assert not descriptors.used_up(refused(errno.ENOENT))
    with pytest.raises(EngineRefused), naming_descriptors():
        raise refused(errno.ENOENT)


async def test_what_is_leased_is_nobody_else_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "left", lambda: 2 * descriptors.FOR_A_RUN + descriptors.SPARE)
    monkeypatch.setattr(descriptors, "LOOK_AGAIN", 0)
    with await descriptors.lease():
        second = await descriptors.lease()
        third = asyncio.create_task(descriptors.lease())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not third.done()
        with second:
            pass
        with await third:
            pass
