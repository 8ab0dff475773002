"""What an executor says beside a message is small: it is read where all runs are served."""

from __future__ import annotations

import asyncio

import pytest

from genvm_wire.host_tables import HOST_TABLES, Method
from orchestrator.node.errors import HostBroken
from orchestrator.node.host_requests import MAX_EXTRA, HostRequests
from orchestrator.node.read_only import stage_with_code


async def test_json_beside_a_message_is_bounded_before_it_is_read() -> None:
    table, reader = HOST_TABLES["T15b"], asyncio.StreamReader()
    reader.feed_data(bytes(20) + bytes(4) + (MAX_EXTRA + 1).to_bytes(4, "little") + b"[" * (MAX_EXTRA + 1))
    requests = HostRequests(stage_with_code(b"#", 0, "v0.2", b""), table, 8, reader)
    with pytest.raises(HostBroken, match=f"over the limit of {MAX_EXTRA}"):
        await requests.answer(Method.POST_MESSAGE)
