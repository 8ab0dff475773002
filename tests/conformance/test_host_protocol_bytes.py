"""The executor's host client writes and reads exactly the bytes of the page (host-protocol 3.5)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from genvm_executor.host import HostClient, HostLost, HostRefused, MethodAbsent
from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.host_tables import HOST_TABLES, Ending, Method, StorageView
from genvm_wire.storage_layout import code_slot

CONTRACT = Address.from_hex("5b38da6a701c568545dcfcb03fcb875f56beddc4")
OTHER = Address.from_hex("ab8483f64d9c6d1ecf9b849ae677dd3315835cb2")
CODE_SLOT = code_slot("v0.2")
C, OT, S = CONTRACT.raw.hex(), OTHER.raw.hex(), CODE_SLOT.hex()
Ask = Callable[[HostClient], Any]


class Example(NamedTuple):
    table: str
    ask: Ask
    request: str
    reply: str
    expected: Any


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)
    with near, far:
        yield near, far


def read_call(view: int) -> Ask:
    return lambda host: host.storage_read(view, CONTRACT, CODE_SLOT, 0, 4)


def message(host: HostClient) -> None:
    host.post_message(OTHER, encode({"method": "foo", "args": [1]}), value=0, on="finalized")


def deployment(host: HostClient) -> None:
    host.deploy_contract(encode({"args": [1]}), b"# {}\n", value=0, salt_nonce=7, on="finalized")


_ROWS: list[tuple[str, Ask, str, str, Any]] = [
    ("T15a", lambda h: h.get_calldata(), "00", "00 01000000 06", b"\x06"),
    ("T15a", read_call(0), f"01 00 {C} {S} 00000000 04000000", "00 05000000", b"\5\0\0\0"),
    ("T9w", read_call(2), f"00 02 {C} {S} 00000000 04000000", "00 05000000", b"\5\0\0\0"),
    ("T8", read_call(2), f"00 02 {C} {S} 00000000 04000000", "00 05000000", b"\5\0\0\0"),
    ("T9n", read_call(2), f"00 02 {C} {S} 00000000 04000000", "00 05000000", b"\5\0\0\0"),
    (
        "T8",
        lambda h: h.storage_read(0, CONTRACT, CODE_SLOT, 9, 0),
        f"00 00 {C} {S} 09000000 00000000",
        "00",
        b"",
    ),
    ("T15a", lambda h: h.storage_write(CODE_SLOT, 4, b"ab"), f"02 {S} 04000000 02000000 6162", "00", None),
    ("T15a", lambda h: h.get_balance(CONTRACT), f"0c {C}", "00 000064a7b3b6e00d" + "00" * 24, 10**18),
    ("T9w", lambda h: h.get_balance(CONTRACT), f"04 {C}", "00" + "00" * 32, 0),
    ("T8", lambda h: h.get_balance(CONTRACT), f"03 {C}", "00" + "ff" * 32, 2**256 - 1),
    ("T15a", lambda h: h.remaining_fuel(), "0d", "00 ffffffffffff1f00", 2**53 - 1),
    ("T9n", lambda h: h.remaining_fuel(), "04", "00" + "01" + "00" * 31, 1),
    (
        "T15b",
        lambda h: h.get_leader_nondet_result(0),
        "04 00000000",
        "00 06000000 000e026f6b10",
        b"\0\x0e\x02ok\x10",
    ),
    ("T15b", lambda h: h.get_leader_nondet_result(0), "04 00000000", "03", None),
    (
        "T15b",
        lambda h: h.post_nondet_result(0, b"\0\x2chello"),
        "05 00000000 07000000 00 2c68656c6c6f",
        "00",
        None,
    ),
    ("T15b", lambda h: h.post_nondet_result(1, b"\1bad"), "05 01000000 04000000 01 626164", "00", None),
    (
        "T15b",
        message,
        f"06 {OT} 13000000 1604617267730d09066d6574686f641c666f6f 20000000"
        " 7b2276616c7565223a22307830222c226f6e223a2266696e616c697a6564227d",
        "00",
        None,
    ),
    (
        "T15b",
        deployment,
        "09 08000000 0e04617267730d09 05000000 23207b7d0a 33000000"
        " 7b2276616c7565223a22307830222c2273616c745f6e6f6e6365223a22307837222c"
        "226f6e223a2266696e616c697a6564227d",
        "00",
        None,
    ),
    (
        "T15a",
        lambda h: h.eth_send(OTHER, b"\x01", value=255),
        f"0b {OT} 01000000 01 10000000 7b2276616c7565223a2230786666227d",
        "00",
        None,
    ),
    (
        "T8",
        lambda h: h.eth_call(OTHER, bytes.fromhex("18160ddd")),
        f"02 {OT} 04000000 18160ddd",
        "00 01000000 2a",
        b"*",
    ),
    ("T15a", lambda h: h.post_event([bytes(32)], b"\x06"), "07 01" + "00" * 32 + "01000000 06", "00", None),
    ("T8", lambda h: h.notify_finished(), "07", "00", None),
    ("T9w", lambda h: h.notify_finished(), "08", "00", None),
    ("T15a", lambda h: h.consume_result(b"\0\x2chello"), "03 07000000 00 2c68656c6c6f", "00", None),
]
EXAMPLES = [Example(*row) for row in _ROWS]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.table} {e.request[:5]}")
def test_request_and_reply(pair: tuple[socket.socket, socket.socket], example: Example) -> None:
    """Sections 3.4, 3.5 and 8.4."""
    near, far = pair
    far.sendall(bytes.fromhex(example.reply))
    assert example.ask(HostClient(near, HOST_TABLES[example.table])) == example.expected
    wanted = bytes.fromhex(example.request)
    assert far.recv(len(wanted) + 1) == wanted


@pytest.mark.parametrize(
    ("table", "width", "tell", "request_hex"),
    [
        ("T15a", 8, lambda h: h.consume_fuel(1000), "08 e803000000000000"),
        ("T8", 8, lambda h: h.consume_fuel(1000), "01 e803000000000000"),
        ("T8", 32, lambda h: h.consume_fuel(1000), "01 e803" + "00" * 30),
        ("T9n", None, lambda h: h.consume_fuel(1000), "01 e803" + "00" * 30),
        ("T15a", 8, lambda h: h.consume_fuel(2**70), "08" + "ff" * 8),
        ("T15a", None, lambda h: h.notify_nondet_disagreement(2), "0e 02000000"),
        ("T9w", None, lambda h: h.notify_nondet_disagreement(2), "06 02000000"),
        ("T8", None, lambda h: h.notify_nondet_disagreement(2), "05 02000000"),
    ],
)
def test_requests_without_a_reply_are_sent_by_the_time_of_closing(
    pair: tuple[socket.socket, socket.socket], table: str, width: int | None, tell: Ask, request_hex: str
) -> None:
    """Sections 2.2, 3.4 and 3.5."""
    near, far = pair
    client = HostClient(near, HOST_TABLES[table], width)
    tell(client)
    client.close()
    assert far.recv(100) == bytes.fromhex(request_hex)
    assert far.recv(1) == b""


@pytest.mark.parametrize(
    ("table", "byte", "text"),
    [
        ("T15a", 1, "absent"),
        ("T15b", 2, "forbidden"),
        ("T15a", 4, "out_of_storage_gas"),
        ("T9w", 1, "host absent"),
        ("T8", 2, "host forbidden"),
        ("T8", 3, "host out_of_storage_gas"),
        ("T9n", 1, "evm reverted"),
        ("T9n", 2, "forbidden"),
    ],
)
def test_error_bytes_become_vm_errors(
    pair: tuple[socket.socket, socket.socket], table: str, byte: int, text: str
) -> None:
    """Section 3.3."""
    near, far = pair
    far.sendall(bytes((byte,)))
    with pytest.raises(HostRefused) as caught:
        HostClient(near, HOST_TABLES[table]).get_balance(CONTRACT)
    assert caught.value.vm_error_text == text


@pytest.mark.parametrize(
    ("table", "reply"),
    [
        pytest.param("T9n", b"\x03", id="undeclared error byte"),
        pytest.param("T15a", b"\x03", id="leader byte where nobody asked for it"),
        pytest.param("T8", b"", id="closed before the reply"),
        pytest.param("T8", b"\x00" + bytes(31), id="closed inside the reply"),
    ],
)
def test_a_broken_host_is_lost(pair: tuple[socket.socket, socket.socket], table: str, reply: bytes) -> None:
    """Sections 2.2 and 3.3."""
    near, far = pair
    far.sendall(reply)
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(HostLost):
        HostClient(near, HOST_TABLES[table]).get_balance(CONTRACT)


def test_a_reply_of_four_gigabytes_is_not_awaited(pair: tuple[socket.socket, socket.socket]) -> None:
    """Section 3.4: a slice is u32 and bytes; the reader bounds it."""
    near, far = pair
    far.sendall(b"\0\xff\xff\xff\xff")
    with pytest.raises(HostLost, match="limit"):
        HostClient(near, HOST_TABLES["T8"]).eth_call(OTHER, b"")


def test_a_silent_host_is_lost_when_the_sockets_timeout_passes(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Section 2.2: the wire has no timeout, so the owner of the socket sets one."""
    near, _ = pair
    near.settimeout(0.01)
    with pytest.raises(HostLost):
        HostClient(near, HOST_TABLES["T8"]).get_balance(CONTRACT)


def test_a_method_the_table_lacks_is_not_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    """Section 3.1."""
    near, far = pair
    client = HostClient(near, HOST_TABLES["T8"])
    with pytest.raises(MethodAbsent):
        client.get_calldata()
    client.close()
    assert far.recv(1) == b""


def test_buffered_requests_precede_the_next_one_with_a_reply(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Section 2.2."""
    near, far = pair
    client = HostClient(near, HOST_TABLES["T8"])
    client.consume_fuel(1)
    client.notify_nondet_disagreement(3)
    far.sendall(b"\0")
    client.notify_finished()
    assert far.recv(100) == bytes.fromhex("01 0100000000000000 05 03000000 07")


def test_method_numbers() -> None:
    """Section 3.1, in the order of its rows."""
    expected = {
        "T15a": dict(zip(range(15), range(15), strict=True)),
        "T9w": {1: 0, 2: 1, 3: 7, 8: 2, 10: 3, 12: 4, 13: 5, 14: 6, 15: 8},
        "T8": {1: 0, 3: 6, 8: 1, 10: 2, 12: 3, 13: 4, 14: 5, 15: 7},
        "T9n": {1: 0, 3: 6, 8: 1, 10: 2, 12: 3, 13: 4, 14: 5, 16: 7},
    }
    rows = (
        Method.GET_CALLDATA, Method.STORAGE_READ, Method.STORAGE_WRITE, Method.CONSUME_RESULT,
        Method.GET_LEADER_NONDET_RESULT, Method.POST_NONDET_RESULT, Method.POST_MESSAGE, Method.POST_EVENT,
        Method.CONSUME_FUEL, Method.DEPLOY_CONTRACT, Method.ETH_CALL, Method.ETH_SEND, Method.GET_BALANCE,
        Method.REMAINING_FUEL, Method.NOTIFY_NONDET_DISAGREEMENT, Method.NOTIFY_FINISHED,
        Method.RESOLVE_EXECUTOR,
    )  # fmt: skip
    for name, numbers in expected.items():
        assert HOST_TABLES[name].methods == {rows[row]: number for row, number in numbers.items()}
    assert HOST_TABLES["T15b"].methods == HOST_TABLES["T15a"].methods


def test_how_conversations_end() -> None:
    """Sections 1 and 2.2."""
    endings = {name: table.ending for name, table in HOST_TABLES.items()}
    assert endings == {
        "T15a": Ending.CONSUME_RESULT,
        "T15b": Ending.CONSUME_RESULT,
        "T9w": Ending.NOTIFY_FINISHED,
        "T8": Ending.NOTIFY_FINISHED,
        "T9n": Ending.CLOSE,
    }
    assert HOST_TABLES["T15a"].own_view is StorageView.DEFAULT
