"""Who can reach a listener: whoever does is as good as root here, so it is judged before it opens."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from orchestrator.settings import Settings

FOREIGN_PORT = "set GENVM_PORT to one that this user may take: those below 1024 are root's as a rule"
FREE_PORT = "set GENVM_PORT to a free one, or stop what listens there"


class CannotListen(Exception):
    """The manager cannot, or may not, listen where its settings say; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps strangers away: tokens, or something else of which the operator has said that it does."""

    tokens: bool
    acknowledged: bool


def resolved(host: str, port: int) -> list[str]:
    """The addresses that `host` stands for here, as text. Blocking. Raises CannotListen.

    They are what is listened on: a name is not looked up again after it was judged.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a host name"
        raise CannotListen(f"cannot listen on {host!r}: {reason}; set GENVM_HOST") from None
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


def guarded_addresses(settings: Settings) -> list[str]:
    """The addresses to listen on, judged. Blocking. Raises CannotListen."""
    addresses = resolved(settings.host, settings.port)
    guard = Guard(settings.tokens_file is not None, settings.allow_unauthenticated)
    check_exposure(settings.host, addresses, guard)
    return addresses


def check_free(host: str, addresses: Sequence[str], port: int) -> None:
    """Raises CannotListen when something listens there already, or the address is none of this machine's."""
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trying:
                trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    trying.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trying.bind((address, port))
        except OSError as error:
            # Names often have an address of a family that is switched off.
            if len(addresses) == 1 or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                advice = FOREIGN_PORT if error.errno == errno.EACCES else FREE_PORT
                raise CannotListen(
                    f"cannot listen on {host} port {port}: {error.strerror}; {advice}"
                ) from error


def check_exposure(host: str, addresses: Sequence[str], guard: Guard) -> None:
    """Raises CannotListen when others than this machine's users could ask and nothing keeps them away."""
    beyond = [address for address in addresses if not is_loopback(address)]
    if not beyond or guard.tokens or guard.acknowledged:
        return
    where = repr(host) if host in beyond else f"{host!r} ({', '.join(beyond)})"
    raise CannotListen(
        f"refusing to listen on {where}: it is not loopback, and whoever reaches it is as good as root here; "
        "set GENVM_TOKENS_FILE, use 127.0.0.1 or --socket, or set GENVM_ALLOW_UNAUTHENTICATED=true "
        "if something else keeps strangers away"
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach it; an address as getaddrinfo writes it."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_loopback
