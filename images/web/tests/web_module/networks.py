"""A small internet for tests: names, addresses, and servers of this machine behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from genvm_web.network import Endpoint, NameUnknown
from genvm_web.public_addresses import Address

PUBLIC = "93.184.216.34"
OTHER_PUBLIC = "8.8.8.8"
# Nobody listens there.
NOWHERE = Endpoint("127.0.0.1", 1)


@dataclass
class SmallInternet:
    """`names` lead to addresses, or raise; `servers` are local ports behind an address and port.

    There is no way to addresses that are `unrouted`.
    """

    names: dict[str, Sequence[str] | Exception] = field(default_factory=dict)
    servers: dict[tuple[str, int], int] = field(default_factory=dict)
    lookups: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    unrouted: set[str] = field(default_factory=set)

    def serve(self, name: str, ports: Mapping[int, int], *addresses: str) -> None:
        """Put local servers behind a name: its port → the local one."""
        self.names[name] = places = addresses or (PUBLIC,)
        for address in places:
            self.servers |= {(address, port): local for port, local in ports.items()}

    async def resolve(self, host: str) -> Sequence[Address]:
        self.lookups.append(host)
        found = self.names.get(host, NameUnknown(host))
        if isinstance(found, Exception):
            raise found
        return [ip_address(text) for text in found]

    def endpoint(self, address: Address, port: int) -> Endpoint:
        self.dialled.append((str(address), port))
        local = self.servers.get((str(address), port))
        return Endpoint("127.0.0.1", local) if local is not None else NOWHERE

    def routable(self, address: Address) -> bool:
        return str(address) not in self.unrouted

    def close(self) -> None:
        """Nothing is held."""
