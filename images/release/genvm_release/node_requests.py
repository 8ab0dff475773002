"""What the earliest releases ask their node for, cut into requests (host-protocol 3.4, T15a and T15b)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from genvm_release.manager_host import LONGEST_RESULT, HostBroken
from genvm_wire.host_tables import HOST_TABLES, Method

ADDRESS, SLOT, U32, VIEW = 20, 32, 4, 1
SLICE: Final = -1
"""A length of four bytes, and as many bytes."""
TOPICS: Final = -2
"""One byte that says how many slots follow."""
FUEL: Final = -3
"""An amount, as wide as the node has it."""
BODIES: Final[Mapping[Method, tuple[int, ...]]] = {
    Method.GET_CALLDATA: (),
    Method.STORAGE_READ: (VIEW + ADDRESS + SLOT + U32 + U32,),
    Method.STORAGE_WRITE: (SLOT + U32, SLICE),
    Method.GET_LEADER_NONDET_RESULT: (U32,),
    Method.POST_NONDET_RESULT: (U32, SLICE),
    Method.POST_MESSAGE: (ADDRESS, SLICE, SLICE),
    Method.POST_EVENT: (TOPICS, SLICE),
    Method.CONSUME_FUEL: (FUEL,),
    Method.DEPLOY_CONTRACT: (SLICE, SLICE, SLICE),
    Method.ETH_CALL: (ADDRESS, SLICE),
    Method.ETH_SEND: (ADDRESS, SLICE, SLICE),
    Method.GET_BALANCE: (ADDRESS,),
    Method.REMAINING_FUEL: (),
    Method.NOTIFY_NONDET_DISAGREEMENT: (U32,),
}
"""Of each request but the one that brings the result: what follows its number."""


class NodeRequests:
    """Reads requests one by one: `read` gives exactly so many bytes, `skip` lets them go."""

    def __init__(
        self, table: str, fuel_width: int, read: Callable[[int], bytes], skip: Callable[[int], None]
    ) -> None:
        self._methods = HOST_TABLES[table].by_id
        self._fuel_width = fuel_width
        self._read = read
        self._skip = skip

    def next(self) -> bytes | None:
        """The result, if the next request brings it. Raises HostBroken, and what `read` raises."""
        number = self._read(1)[0]
        method = self._methods.get(number)
        if method is None:
            raise HostBroken(f"the executor asked its node for method {number}, which there is none")
        if method is Method.CONSUME_RESULT:
            if (size := self._size()) > LONGEST_RESULT:
                raise HostBroken(f"the executor's result of {size} bytes is over {LONGEST_RESULT}")
            return self._read(size)
        for part in BODIES[method]:
            self._skip(self._length(part))
        return None

    def _length(self, part: int) -> int:
        if part == SLICE:
            return self._size()
        if part == TOPICS:
            return SLOT * self._read(1)[0]
        return self._fuel_width if part == FUEL else part

    def _size(self) -> int:
        size: int = struct.unpack("<I", self._read(U32))[0]
        return size
