"""A small internet, one site in it, and a web module in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
import trustme
from blockbuster import BlockBuster, blockbuster_ctx

from genvm_module.contract import Caller, Terms
from genvm_web.configuration import read_configuration
from genvm_web.conversation import WebConversation
from genvm_web.service import EXTRA_CA_VARIABLE, WebService, read_trust
from web_module.networks import SmallInternet
from web_module.sites import Site, serving_site

Open = Callable[..., Awaitable[WebConversation]]


@pytest.fixture(autouse=True)
def no_blocking_on_the_loop() -> Iterator[BlockBuster]:
    with blockbuster_ctx("genvm_web") as blockbuster:
        yield blockbuster


@pytest.fixture(autouse=True)
def default_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Signs the certificates of sites in the small internet."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module trusts the authority; without this it does not."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv(EXTRA_CA_VARIABLE, str(tmp_path / "ca.pem"))


@pytest.fixture
def internet() -> SmallInternet:
    return SmallInternet()


@pytest.fixture
async def site(internet: SmallInternet) -> AsyncIterator[Site]:
    async with serving_site(internet) as site:
        yield site


@pytest.fixture
async def opened(internet: SmallInternet) -> AsyncIterator[Open]:
    """Opens conversations with a configuration; `host_data` and `transport` as named."""
    services = []

    async def open_one(
        config: dict[str, object] | None = None, *, host_data: object = None, transport: str = "S"
    ) -> WebConversation:
        # Somebody else's webdriver, where none is: tests that render name their own.
        settings = {"webdriver_host": "http://192.0.2.1:4444", **(config or {})}
        configuration = read_configuration(settings)
        trust = await asyncio.to_thread(read_trust, configuration)
        service = WebService(configuration, trust, None, internet)
        services.append(service)
        identity = {"node_address": "0x01", "tx_id": "0x02", **(host_data or {})}  # type: ignore[dict-item]
        return service.open(Caller(7, "Leader", identity), Terms(transport))  # type: ignore[arg-type]

    yield open_one
    for service in services:
        await service.close()
