"""Names and addresses: one lookup per connection, whose checked answer is what gets connected to.

Nothing looks a name up a second time after it was checked, so that an answer that changes between the two
(DNS rebinding) has no effect.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

from genvm_web.observations import UNKNOWN_NAME
from genvm_web.public_addresses import Address, address_literal, is_stand_in

LOOKUP_SECONDS = 15.0
# A name server that does not answer holds its thread for half a minute; others must go on meanwhile.
LOOKUPS_AT_ONCE = 64

NO_SUCH_NAME = frozenset(
    {socket.EAI_NONAME, socket.EAI_FAIL, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
)
# What asking for a route ends with that this host lacks or forbids itself; asking sends nothing, so that none
# of them is a far router's word, as the same numbers may be when a connection is tried.
NO_ROUTE = frozenset(
    {
        errno.EACCES,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EHOSTUNREACH,
        errno.EINVAL,
        errno.ENETDOWN,
        errno.ENETUNREACH,
    }
)
DISCARD = 9


class LookupFailed(Exception):
    """Root of what `checked` raises.

    LookupFailed
    ├── NameUnknown       the name does not exist: an observation about the name
    ├── AddressForbidden  it exists, outside the public internet: refused by policy
    ├── NoRoute           this node has no way to any of its addresses: it observed nothing
    └── ResolverDown      no answer: likewise
    """


class NameUnknown(LookupFailed):
    """The name has no address."""


class AddressForbidden(LookupFailed):
    """No address, or with the strict policy not every address, is public."""


class NoRoute(LookupFailed):
    """This host has no way to any address that may be connected to."""


class ResolverDown(LookupFailed):
    """The name servers gave no usable answer."""


class Network(Protocol):
    """The way out. `endpoint` is where the connection to a checked address and port is made."""

    async def resolve(self, host: str) -> Sequence[Address]:
        """All addresses of a name. Raises NameUnknown or ResolverDown."""

    def endpoint(self, address: Address, port: int) -> Endpoint: ...

    def routable(self, address: Address) -> bool:
        """Whether this host knows a way to it; sends nothing."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A socket address, ready to connect to."""

    host: str
    port: int


class SystemNetwork:
    """The operating system's resolver and sockets. Close it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="lookup")

    async def resolve(self, host: str) -> Sequence[Address]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await loop.run_in_executor(self._threads, _look_up, host)
        except socket.gaierror as error:
            if error.errno in NO_SUCH_NAME:
                raise NameUnknown(UNKNOWN_NAME) from None
            raise ResolverDown(f"looking up {host} failed: {error.strerror}") from None
        except UnicodeError:
            raise NameUnknown(UNKNOWN_NAME) from None
        except TimeoutError:
            raise ResolverDown(f"looking up {host} took over {LOOKUP_SECONDS:g} s") from None
        return list(dict.fromkeys(ip_address(text) for text in found))

    def endpoint(self, address: Address, port: int) -> Endpoint:
        return Endpoint(str(address), port)

    def routable(self, address: Address) -> bool:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as asking:
                asking.connect((str(address), DISCARD))
        except OSError as error:
            return error.errno not in NO_ROUTE
        return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


async def checked(
    network: Network, host: str, permitted: Callable[[Address], bool] | None, *, all_permitted: bool = False
) -> list[Address]:
    """The addresses of `host` that may be connected to, never empty.

    Those that are not `permitted` are left out; with `all_permitted` a single one refuses the name; with null
    none is judged. What this node's own network makes of a name is left out as far as there is something
    else: addresses that its resolver made up, and a family that it has no way to. Without a way to any it
    raises: what connecting would end with may be what a far router says too. Raises LookupFailed.
    """
    literal = address_literal(host)
    addresses = [literal] if literal is not None else list(await network.resolve(host))
    if not addresses:
        raise NameUnknown(UNKNOWN_NAME)
    if permitted is None:
        return _routable(network, host, addresses)
    if literal is None:
        addresses = [address for address in addresses if not is_stand_in(address)]
        if not addresses:
            raise ResolverDown(f"this node's name server answers for {host} with an address of its own")
    public = [address for address in addresses if permitted(address)]
    if not public or (all_permitted and len(public) < len(addresses)):
        raise AddressForbidden(f"{host} is not on the public internet")
    return _routable(network, host, public)


def _routable(network: Network, host: str, addresses: list[Address]) -> list[Address]:
    """Those that there is a way to. Raises NoRoute."""
    found = [address for address in addresses if network.routable(address)]
    if not found:
        raise NoRoute(f"this node has no route to {host}")
    return found
