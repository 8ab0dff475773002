"""What the packet filter below the web module has to let through, from its configuration and from runs."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from genvm_wire.calldata import Value
from orchestrator.modules.egress import Doors, egress_of
from orchestrator.runtime.port import Egress, EngineRefused, Instance


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Egress()),
        ({"webdriver_host": "http://127.0.0.1:4444", "signer_url": "#{signerUrl}"}, Egress()),
        ({"webdriver_host": "http://driver:4444"}, Egress(doors=(("driver", 4444),))),
        ({"signer_url": "https://signer.lan/sign"}, Egress(doors=(("signer.lan", 443),))),
        ({"signer_url": "http://[fd00::1]:9155/#{path}"}, Egress()),
        ({"signer_url": "http://10.0.0.1:99999/"}, Egress()),
        ({"signer_url": "http://signer.lan/" + "x" * 2048}, Egress()),
        ({"signer_url": "http://a" + "\u0301\u0316" * 100_000}, Egress()),
        (
            {"always_allow_hosts": ["10.0.0.1", "a.lan"], "own_addresses": ["203.0.113.0/24"]},
            Egress(hosts=("10.0.0.1", "a.lan"), refused=("203.0.113.0/24",)),
        ),
        ({"always_allow_hosts": "no list", "own_addresses": None, "webdriver_host": 5}, Egress()),
    ],
)
def test_what_is_configured_is_let_through(values: dict[str, Value], expected: Egress) -> None:
    assert egress_of(values) == expected


class Filters:
    """Stands for the runtime: notes what it is told, or refuses."""

    def __init__(self) -> None:
        self.permitted: list[tuple[str, int]] = []
        self.renewed: list[Egress] = []
        self.refuses = False
        self.told = asyncio.Event()

    async def permit(self, _: Instance, host: str, port: int) -> None:
        if self.refuses:
            raise EngineRefused("no")
        self.permitted.append((host, port))

    async def renew(self, _: Instance, egress: Egress) -> None:
        self.renewed.append(egress)
        self.told.set()


class _Named:
    spec = type("Spec", (), {"name": "web-1"})


def doors(filters: Filters, **values: Value) -> Doors:
    made = Doors(cast("Any", _Named()), filters)
    made.believe(values)
    return made


def naming(url: str) -> str:
    return json.dumps({"signerUrl": url, "node_address": "0x1"})


async def test_a_signer_is_let_through_once_however_many_runs_name_it() -> None:
    filters = Filters()
    opening = doors(filters)
    told = naming("http://host.docker.internal:9155/sign")
    await asyncio.gather(*(opening.open_for(told) for _ in range(20)))
    await opening.open_for(naming("https://signer.lan"))
    assert filters.permitted == [("host.docker.internal", 9155), ("signer.lan", 443)]


@pytest.mark.parametrize(
    "told",
    [
        "{}",
        "[]",
        "no JSON",
        '{"signerUrl": 5}',
        '{"signerUrl": "http://localhost:1"}',
        "[" * 40_000,
        f'{{"signerUrl": "http://signer:1", "x": [{"[]," * 50_000}0]}}',
    ],
    ids=lambda told: told[:30],
)
async def test_a_run_that_names_none_asks_for_nothing(told: str) -> None:
    filters = Filters()
    await doors(filters).open_for(told)
    assert filters.permitted == []


async def test_a_configured_signer_is_not_looked_for_in_runs() -> None:
    filters = Filters()
    await doors(filters, signer_url="https://signer.lan/").open_for(naming("http://elsewhere:1"))
    assert filters.permitted == []


async def test_what_was_refused_is_tried_again_by_the_next_run() -> None:
    filters = Filters()
    opening = doors(filters)
    filters.refuses = True
    await opening.open_for(naming("http://signer:1"))
    filters.refuses = False
    await opening.open_for(naming("http://signer:1"))
    assert filters.permitted == [("signer", 1)]


async def test_names_are_looked_up_again_when_the_module_fails_for_its_own_sake() -> None:
    filters = Filters()
    opening = doors(filters, always_allow_hosts=["pages"], own_addresses=["203.0.113.1"])
    await opening.open_for(naming("http://signer:1"))
    keeping = asyncio.ensure_future(opening.keep_fresh())
    opening.doubt()
    await filters.told.wait()
    keeping.cancel()
    await asyncio.wait([keeping])
    assert filters.renewed == [Egress(("pages",), (), ("203.0.113.1",), (("signer", 1),))]


async def test_addresses_do_not_move() -> None:
    """Nothing is looked up again where there are no names: the next doubt about one is the first."""
    filters = Filters()
    opening = doors(filters, always_allow_hosts=["10.0.0.1", "[fd00::1]"], webdriver_host="http://10.0.0.2:1")
    await opening._renew()
    assert filters.renewed == []
