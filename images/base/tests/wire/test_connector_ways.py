"""A connection that a connector passes on and that fails in a way nobody thought of ends alone."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from genvm_connector import ways
from genvm_connector.guests import Guests


async def test_one_that_fails_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(near: socket.socket, *_: Any) -> None:
        near.close()
        raise AttributeError("a secret")

    monkeypatch.setattr(ways, "splice", fails)
    link = cast("Any", type("Link", (), {"reader": None, "writer": None}))
    async with asyncio.TaskGroup() as group:
        other = group.create_task(asyncio.sleep(0, "goes on"))
        made = ways.Ways(Guests(), group)
        made._spliced(link).close()
    assert (await other, made.spliced) == ("goes on", 0)
    assert capsys.readouterr().err == "connector: a connection ended by AttributeError\n"
