"""The calls that a manager makes, and no others. Pure: what has to be looked up is said, not done.

Each rule gives the call as it is to be made, with what must hold first: that a container is this product's,
that a directory is one and no link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from orchestrator.engine_filter import containers
from orchestrator.engine_filter.exchange import Call, Refusal
from orchestrator.engine_filter.place import LABELS, NAME, Place

CONTAINER: Final = "(?P<container>[A-Za-z0-9][A-Za-z0-9_.-]{0,200})"
NETWORK: Final = "(?P<network>[A-Za-z0-9][A-Za-z0-9_.-]{0,200})"
NETWORK_OPTIONS: Final = {"com.docker.network.bridge.enable_icc", "com.docker.network.driver.mtu"}
ENGINES_BRIDGE: Final = "bridge"
"""Looked at for its MTU and for whether there is one."""


@dataclass(frozen=True, slots=True)
class Order:
    """A call, and what has to hold before it is made."""

    call: Call
    container: str | None = None
    """By id or name: has to be this product's. The call is then made with its id."""
    shares: str | None = None
    """The same for the container whose network a new one is to share."""
    directory: Path | None = None
    """Has to be a directory below the manager's, with no link on the way."""
    starts: bool = False
    """The container's mount is looked at again: it is made now."""


Judge = Callable[[Call, re.Match[str], Place], Order]


def judged(call: Call, place: Place) -> Order:
    """What is to be done for `call`. Raises Refusal."""
    for method, pattern, allowed, judge in RULES:
        found = pattern.fullmatch(call.path)
        if found is None or method != call.method:
            continue
        if unknown := call.query.keys() - set(allowed):
            raise Refusal(403, f"{call.method} {call.path}: no manager says {sorted(unknown)[0]}")
        if call.body is not None and judge not in (_create, _create_network):
            raise Refusal(403, f"{call.method} {call.path}: it has no body")
        return judge(call, found, place)
    raise Refusal(403, f"{call.method} {call.path}: no manager needs it")


def _plain(call: Call, found: re.Match[str], place: Place) -> Order:
    return Order(call)


def _about_container(call: Call, found: re.Match[str], place: Place) -> Order:
    return Order(call, container=found["container"])


def _start(call: Call, found: re.Match[str], place: Place) -> Order:
    return Order(call, container=found["container"], starts=True)


def _about_ours(call: Call, found: re.Match[str], place: Place) -> Order:
    """Lists and events: of labelled containers only."""
    try:
        filters = json.loads(call.query.get("filters", ""))
        labels = filters["label"] if isinstance(filters, dict) else []
    except (ValueError, KeyError):
        labels = []
    if isinstance(labels, Mapping):
        labels = [label for label, wanted in labels.items() if wanted is True]
    if not isinstance(labels, list):
        labels = []
    if not any(isinstance(label, str) and label.startswith(f"{LABELS}managed-by=") for label in labels):
        raise Refusal(
            403, f"{call.method} {call.path}: only about a manager's own containers, by their label"
        )
    return Order(call)


def _create(call: Call, found: re.Match[str], place: Place) -> Order:
    if (why := containers.refusal(call.query.get("name", ""), call.body, place)) is not None:
        raise Refusal(403, f"this container is not made: {why}")
    return Order(call, shares=containers.joined(call.body), directory=containers.mounted(call.body))


def _image(call: Call, found: re.Match[str], place: Place) -> Order:
    if not place.has_image(found["image"]):
        raise Refusal(403, f"the image {found['image']} is none of the manager's")
    return Order(call)


def _network(call: Call, found: re.Match[str], place: Place) -> Order:
    name = found["network"]
    looks = call.method == "GET" and (name == ENGINES_BRIDGE or place.has_network(name))
    if not looks and NAME.fullmatch(name) is None:
        raise Refusal(403, f"the network {name} is none of a manager's")
    return Order(call)


def _create_network(call: Call, found: re.Match[str], place: Place) -> Order:
    body = call.body
    fits = isinstance(body, Mapping) and body.keys() <= {
        "Name",
        "Driver",
        "Options",
        "IPAM",
        "CheckDuplicate",
        "Labels",
    }
    if not fits or not isinstance(body, Mapping):
        raise Refusal(403, "this network is not made: a field is none that a manager sets")
    named = isinstance(body.get("Name"), str) and NAME.fullmatch(str(body["Name"])) is not None
    options = body.get("Options")
    plain = body.get("Driver") == "bridge" and body.get("IPAM") is None
    if not (named and plain and isinstance(options, Mapping) and options.keys() <= NETWORK_OPTIONS):
        raise Refusal(403, "this network is not made: a value is none that a manager sets")
    return Order(call)


def _rule(
    method: str, path: str, allowed: str, judge: Judge
) -> tuple[str, re.Pattern[str], list[str], Judge]:
    return method, re.compile(path), allowed.split(), judge


RULES: Final = (
    _rule("GET", "/version", "", _plain),
    _rule("GET", "/_ping", "", _plain),
    _rule("GET", "/info", "", _plain),
    _rule("GET", "/events", "since until filters", _about_ours),
    _rule("GET", "/containers/json", "all limit size trunc_cmd filters", _about_ours),
    _rule("POST", "/containers/create", "name", _create),
    _rule("GET", f"/containers/{CONTAINER}/json", "", _about_container),
    _rule("GET", f"/containers/{CONTAINER}/logs", "stdout stderr timestamps follow tail", _about_container),
    _rule("POST", f"/containers/{CONTAINER}/start", "", _start),
    _rule("POST", f"/containers/{CONTAINER}/kill", "signal", _about_container),
    _rule("POST", f"/containers/{CONTAINER}/wait", "condition", _about_container),
    _rule("DELETE", f"/containers/{CONTAINER}", "v link force", _about_container),
    _rule("GET", "/images/(?P<image>[A-Za-z0-9][A-Za-z0-9_./:@-]{0,300})/json", "", _image),
    _rule("GET", f"/networks/{NETWORK}", "", _network),
    _rule("DELETE", f"/networks/{NETWORK}", "", _network),
    _rule("POST", "/networks/create", "", _create_network),
)


def with_container(call: Call, name: str, container: str) -> Call:
    """The call about the container by its id, whatever its name means by then."""
    return replace(call, path=call.path.replace(f"/containers/{name}", f"/containers/{container}", 1))
