"""Rules as the kernel takes them: one nftables transaction over a netlink socket; no program is needed.

Linux's uapi headers `linux/netfilter/nf_tables.h` and `nfnetlink.h` name the numbers. Integers in attributes
are big-endian, what a packet or a socket is compared with is as it lies there.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from genvm_module.egress.rules import Network, Rule

TABLE, CHAIN = "genvm_egress", "output"
LONGEST_WAIT_S = 5.0

NETLINK_NETFILTER = 12
NFTABLES = 10
BATCH_BEGIN, BATCH_END, ERROR = 0x10, 0x11, 0x02
NEW_TABLE, NEW_CHAIN, NEW_RULE, DELETE_RULE = 0, 3, 6, 8
REQUEST, ACK, EXCLUSIVE, CREATE, APPEND = 0x1, 0x4, 0x200, 0x400, 0x800
NESTED = 0x8000
INET, IPV4, IPV6 = 1, 2, 10
LOCAL_OUT, FILTER_PRIORITY = 3, 0
DROP, ACCEPT = 0, 1
VERDICT, REGISTER = 0, 1
META_OUT_NAME, META_USER, META_FAMILY, META_PROTOCOL = 7, 10, 15, 16
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
EQUAL, NOT_EQUAL = 0, 1
ICMPX, NO_ROUTE = 2, 0
DESTINATION = {IPV4: 16, IPV6: 24}
"""Offset of the destination in the network header."""
NAME_BYTES = 16


def install(listed: Iterable[Rule]) -> None:
    """A table that there was none of, with `listed` in order. Raises OSError; nothing has changed then."""
    hook = _nested(4, _number(1, LOCAL_OUT) + _number(2, FILTER_PRIORITY))
    chain = _text(1, TABLE) + _text(3, CHAIN) + hook + _number(5, DROP) + _text(7, "filter")
    _transact(
        [
            (NEW_TABLE, CREATE | EXCLUSIVE, _text(1, TABLE)),
            (NEW_CHAIN, CREATE, chain),
            *((NEW_RULE, CREATE | APPEND, _rule(rule)) for rule in listed),
        ]
    )


def prepend(listed: Iterable[Rule]) -> None:
    """Put rules before all others. Raises OSError: FileNotFoundError where nothing is installed."""
    _transact([KNOWN, *((NEW_RULE, CREATE, _rule(rule)) for rule in listed)])


def replace(listed: Iterable[Rule]) -> None:
    """Put rules in the place of all others, at once. Raises as `prepend`."""
    all_rules = (DELETE_RULE, 0, _text(1, TABLE) + _text(2, CHAIN))
    _transact([KNOWN, all_rules, *((NEW_RULE, CREATE | APPEND, _rule(rule)) for rule in listed)])


def _transact(messages: Sequence[tuple[int, int, bytes]]) -> None:
    last = len(messages) + 1
    parts = [_message(BATCH_BEGIN, 0, 0, b"", NFTABLES)]
    for number, (kind, flags, body) in enumerate(messages, 1):
        parts.append(_message(NFTABLES << 8 | kind, flags | ACK, number, body))
    parts.append(_message(BATCH_END, 0, last, b"", NFTABLES))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as kernel:
        kernel.settimeout(LONGEST_WAIT_S)
        kernel.send(b"".join(parts))
        waiting = set(range(1, last))
        while waiting:
            waiting -= set(_answers(kernel.recv(1 << 16)))


def _answers(data: bytes) -> Iterable[int]:
    """The messages that were taken. Raises OSError for the first that was not."""
    while len(data) >= 16:
        length, kind, _, number, _ = struct.unpack_from("=IHHII", data)
        if kind == ERROR:
            (code,) = struct.unpack_from("=i", data, 16)
            if code:
                raise OSError(-code, os.strerror(-code))
            yield number
        data = data[(length + 3) & ~3 :]


def _message(kind: int, flags: int, number: int, body: bytes, resource: int = 0) -> bytes:
    family = 0 if resource else INET
    data = struct.pack("=BB", family, 0) + struct.pack(">H", resource) + body
    return struct.pack("=IHHII", 16 + len(data), kind, flags | REQUEST, number, 0) + data


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _nested(kind: int, value: bytes) -> bytes:
    return _attribute(kind | NESTED, value)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack(">I", value))


def _text(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode("ascii") + b"\0")


def _rule(rule: Rule) -> bytes:
    return _text(1, TABLE) + _text(2, CHAIN) + _nested(4, b"".join(_expressions(rule)))


def _expressions(rule: Rule) -> Iterable[bytes]:
    if rule.loopback:
        yield from _meta(META_OUT_NAME, b"lo".ljust(NAME_BYTES, b"\0"))
    if rule.not_user is not None:
        yield from _meta(META_USER, struct.pack("=I", rule.not_user), NOT_EQUAL)
    if rule.network is not None:
        yield from _destination(rule.network)
    if rule.protocol is not None:
        yield from _meta(META_PROTOCOL, bytes([rule.protocol]))
    if rule.port is not None:
        yield _payload(TRANSPORT_HEADER, 2, 2)
        yield _compare(struct.pack(">H", rule.port))
    if rule.allow:
        verdict = _nested(2, _nested(2, _number(1, ACCEPT)))
        yield _expression("immediate", _number(1, VERDICT) + verdict)
    else:
        yield _expression("reject", _number(1, ICMPX) + _attribute(2, bytes([NO_ROUTE])))


def _destination(network: Network) -> Iterable[bytes]:
    family = IPV4 if isinstance(network, IPv4Network) else IPV6
    wanted = network.network_address.packed
    yield from _meta(META_FAMILY, bytes([family]))
    yield _payload(NETWORK_HEADER, DESTINATION[family], len(wanted))
    if network.prefixlen < network.max_prefixlen:
        mask, nothing = network.netmask.packed, bytes(len(wanted))
        registers = _number(1, REGISTER) + _number(2, REGISTER) + _number(3, len(wanted))
        masks = _nested(4, _attribute(1, mask)) + _nested(5, _attribute(1, nothing))
        yield _expression("bitwise", registers + masks)
    yield _compare(wanted)


def _meta(key: int, value: bytes, how: int = EQUAL) -> Iterable[bytes]:
    yield _expression("meta", _number(1, REGISTER) + _number(2, key))
    yield _compare(value, how)


def _payload(base: int, offset: int, length: int) -> bytes:
    place = _number(2, base) + _number(3, offset) + _number(4, length)
    return _expression("payload", _number(1, REGISTER) + place)


def _compare(value: bytes, how: int = EQUAL) -> bytes:
    return _expression("cmp", _number(1, REGISTER) + _number(2, how) + _nested(3, _attribute(1, value)))


def _expression(name: str, data: bytes) -> bytes:
    return _nested(1, _text(1, name) + _nested(2, data))


KNOWN = (NEW_CHAIN, 0, _text(1, TABLE) + _text(3, CHAIN))
"""Changes nothing, and fails where there is no filter."""
