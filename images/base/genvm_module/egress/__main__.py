"""`python3 -m genvm_module.egress install|renew|permit ORDER`, in the module's network namespace.

ORDER is JSON: `hosts` (names or addresses, reached at every TCP port), `doors` (pairs of host and port),
`signers` (the same, named by runs), `refused` (networks), `user` (number of the module's). Prints JSON with
`unknown`, the names without an address, and `installed`; says what went wrong on stderr and ends with 1.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from genvm_module.egress.netlink import install, prepend, replace
from genvm_module.egress.rules import Address, Door, is_no_service, opened, rules

LOOKUP_S = 2.0
"""For all names together: a module's start waits for it, and may do without them."""
RESOLV_CONF = Path("/etc/resolv.conf")


def main(command: str, order: Mapping[str, Any]) -> dict[str, Any]:
    """Raises OSError, ValueError."""
    names = {*order["hosts"], *(host for kind in ("doors", "signers") for host, _ in order[kind])}
    found = looked_up(names)
    doors = doors_of(order, found)
    said = {"installed": True, "unknown": sorted(host for host in names if not found.get(host))}
    refused = [ip_network(text) for text in order["refused"]]
    complete = rules(doors, refused, name_servers(RESOLV_CONF.read_text("utf-8")), order["user"])
    try:
        match command:
            case "install":
                install(complete)
            case "renew":
                replace(complete)
            case "permit":
                prepend(opened(door) for door in doors)
            case _:
                raise ValueError(f"no such command: {command}")
    except FileNotFoundError:
        said["installed"] = False
    return said


def doors_of(order: Mapping[str, Any], found: Mapping[str, Iterable[Address]]) -> list[Door]:
    """What is named, as far as it has an address; of what runs name, only where a service may be."""
    of_operator = [(host, None) for host in order["hosts"]] + [(host, port) for host, port in order["doors"]]
    return [
        *(Door(address, port) for host, port in of_operator for address in found.get(host, ())),
        *(
            Door(address, port)
            for host, port in order["signers"]
            for address in found.get(host, ())
            if not is_no_service(address)
        ),
    ]


def looked_up(hosts: Iterable[str]) -> dict[str, list[Address]]:
    """What has an address by now, in the module's own view of names."""
    found: dict[str, list[Address]] = {}
    threads = [threading.Thread(target=_look_up, args=(host, found), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    until = time.monotonic() + LOOKUP_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)


def _look_up(host: str, found: dict[str, list[Address]]) -> None:
    try:
        entries = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    found[host] = [*dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in entries)]


def name_servers(resolv_conf: str) -> Iterator[Address]:
    """Those that the module asks itself; one on loopback is the engine's, which asks others."""
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            yield ip_address(words[1].partition("%")[0])


if __name__ == "__main__":
    try:
        print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))), flush=True)
    except (OSError, ValueError) as error:
        sys.exit(f"no packet filter in this network: {error}")
