"""The web module at work: a configuration, what it needs, and the conversations it opens."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from genvm_module.contract import Caller, ConfigurationRefused, Health, Service, Terms
from genvm_module.errors import ModuleError
from genvm_web import VERSION
from genvm_web.configuration import Configuration, read_configuration
from genvm_web.conversation import Equipment, Troubles, WebConversation
from genvm_web.fetching import Fetcher
from genvm_web.network import Network, SystemNetwork
from genvm_web.repeated import repeated, stopped
from genvm_web.signer import Signer
from genvm_web.top_level_domains import with_extra
from genvm_web.urls import UrlRules
from genvm_web.webdriver import settings as webdriver_settings
from genvm_web.webdriver_child import WebdriverChild, is_own
from genvm_web.webdriver_client import WebdriverClient

HEALTH_INTERVAL = 10.0
# A certificate authority of the operator's own, for allow-listed hosts and the signer.
EXTRA_CA_VARIABLE = "GENVM_WEB_CA_FILE"

SANDBOX_OFF = "browser_sandbox is false: the container is the only wall around a page"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trust:
    """What is read from files: the domains that exist, and the authorities that vouch for servers."""

    rules: UrlRules
    tls: ssl.SSLContext


def read_trust(configuration: Configuration) -> Trust:
    """Blocks. The authorities are the system's and the operator's own. Raises ConfigurationRefused."""
    tls = ssl.create_default_context()
    if extra := os.environ.get(EXTRA_CA_VARIABLE):
        try:
            tls.load_verify_locations(extra)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationRefused(f"{EXTRA_CA_VARIABLE}: {type(error).__name__}") from None
    domains = with_extra(configuration.extra_top_level_domains)
    rules = UrlRules(domains, configuration.allowed_hosts, configuration.own_networks)
    return Trust(rules, tls)


@dataclass(slots=True)
class WebModule:
    """What the program serves. `network` is the way out, the system's own by default."""

    network: Callable[[], Network] = SystemNetwork
    name: str = "web"
    version: str = VERSION

    async def configure(self, config: Mapping[str, object], *, allow_empty_backends: bool) -> Service:
        """Raises ConfigurationRefused; `allow_empty_backends` means nothing here."""
        configuration = read_configuration(config)
        trust = await asyncio.to_thread(read_trust, configuration)
        child = None
        if is_own(configuration.webdriver):
            child = await WebdriverChild.start(_browser_variables(configuration))
        return WebService(configuration, trust, child, self.network())


def _browser_variables(configuration: Configuration) -> dict[str, str]:
    """What the module's own webdriver has to know of the configuration."""
    prefix = webdriver_settings.PREFIX
    return {
        f"{prefix}ALWAYS_ALLOW_HOSTS": json.dumps(sorted(configuration.allowed_hosts)),
        f"{prefix}EXTRA_TLD": json.dumps(sorted(configuration.extra_top_level_domains)),
        f"{prefix}OWN_ADDRESSES": json.dumps([str(network) for network in configuration.own_networks]),
        **({} if configuration.browser_sandbox else {f"{prefix}CHROME_SANDBOX": "off"}),
    }


class WebService:
    """One configuration and the webdriver that belongs to it, if it is the module's own."""

    def __init__(
        self, configuration: Configuration, trust: Trust, child: WebdriverChild | None, network: Network
    ) -> None:
        limits = configuration.limits
        self._child = child
        self._network = network
        self._alive = True
        self._slots: dict[str, int] = {}
        self._notes: list[str] = []
        if child is not None and not configuration.browser_sandbox:
            self._notes.append(SANDBOX_OFF)
            log.error("browser_sandbox_off", reason=SANDBOX_OFF)
        self._webdriver = WebdriverClient(configuration.webdriver, limits, self._connector)
        self._troubles = Troubles()
        self._equipment = Equipment(
            rules=trust.rules,
            limits=limits,
            fetcher=Fetcher(network, trust.rules, limits, trust.tls),
            signer=Signer(configuration.signer, limits.signer_timeout, trust.tls, network),
            webdriver=self._webdriver,
            slots=asyncio.Semaphore(limits.max_concurrent_requests),
            troubles=self._troubles,
        )
        self._watch = repeated("webdriver-health", HEALTH_INTERVAL, self._look_at_webdriver)

    @property
    def notes(self) -> Sequence[str]:
        return self._notes

    def open(self, caller: Caller, terms: Terms) -> WebConversation:
        """Raises ModuleError for a caller without an identity: its requests could not be signed."""
        for key in ("node_address", "tx_id"):
            if not isinstance(caller.host_data.get(key), str):
                raise ModuleError("HOST_DATA_UNUSABLE", fatal=True, ctx={"missing": key})
        return WebConversation(self._equipment, caller)

    def health(self) -> Health:
        """Requests work without the webdriver, pages do not."""
        detail = "" if self._alive else "the webdriver does not answer"
        restarts = self._child.restarts if self._child is not None else 0
        counters = {
            "own_troubles": self._troubles.count,
            "webdriver_alive": int(self._alive),
            "webdriver_restarts": restarts,
            **{f"slots_{name}": value for name, value in self._slots.items()},
        }
        return Health(healthy=self._alive, detail=detail, counters=counters)

    async def close(self) -> None:
        await stopped(self._watch)
        if self._child is not None:
            await self._child.close()
        self._network.close()

    def _connector(self) -> aiohttp.BaseConnector:
        if self._child is not None:
            return aiohttp.UnixConnector(path=self._child.socket_path, force_close=True)
        return aiohttp.TCPConnector(force_close=True)

    async def _look_at_webdriver(self) -> None:
        self._alive = await self._webdriver.is_alive()
        if self._child is not None:
            self._slots = await self._webdriver.slots()
