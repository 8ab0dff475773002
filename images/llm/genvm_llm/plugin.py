"""Studio's custom plugin: a chat endpoint that a run brings along, its key included (modules 2.12.2)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from genvm_llm.addresses import check_length
from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.merging import Json
from genvm_llm.posting import body_limit, post
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.exchange import Call
from genvm_llm.reading import Reading, read_reply
from genvm_llm.routing import Desk
from genvm_module.logs import REDACTOR

PROVIDER = "openai-compatible"
LONGEST_KEY = 4096
"""Characters; each of them is a part of what logs are looked through for."""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class PluginUnusable(ValueError):
    """The plugin's data lack something; the text names no value."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """`key` is a provider's key: the node's name for it, `api_key_env_var`, is misleading."""

    url: str
    key: str = field(repr=False)
    model: str
    config: Mapping[str, Json]

    @classmethod
    def read(cls, data: Mapping[str, Json]) -> Plugin:
        """Raises PluginUnusable."""
        settings, config, model = data.get("plugin_config"), data.get("config") or {}, data.get("model")
        if not isinstance(settings, dict) or not isinstance(config, dict) or not isinstance(model, str):
            raise PluginUnusable("custom_plugin_data needs model, config and plugin_config")
        url, key = settings.get("api_url"), settings.get("api_key_env_var") or ""
        if not isinstance(url, str) or not isinstance(key, str):
            raise PluginUnusable("plugin_config needs api_url")
        if len(key) > LONGEST_KEY:
            raise PluginUnusable(f"the plugin's key is too long: more than {LONGEST_KEY} characters")
        try:
            check_length(url)
            converted = {name: _converted(value) for name, value in config.items()}
        except ValueError:
            raise PluginUnusable("the plugin's api_url, or a number among its config, is too long") from None
        REDACTOR.learn([key], passing=True)
        return cls(url, key, model, converted)

    async def ask(self, prompt: Prompt, form: Format, desk: Desk) -> Reading:
        """One attempt. Raises ProviderFailed."""
        text = (prompt.system_message or "") + prompt.user_message
        body: dict[str, Json] = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            **self.config,
        }
        call = Call("", {"Authorization": f"Bearer {self.key}"}, body)
        started = time.monotonic()
        try:
            async with asyncio.timeout(desk.config.timeout):
                limit = body_limit(prompt.max_tokens)
                proxy = desk.config.ways.proxy
                reply = await post(desk.http, self.url, call, self.key, limit, proxy=proxy)
        except TimeoutError:
            raise ProviderFailed("SENDING_REQUEST", Kind.TIMEOUT) from None
        finally:
            desk.ledger.call(time.monotonic() - started)
        return await read_reply(desk.workshop, reply, PROVIDER, form, self.key)


def _converted(value: Json) -> Json:
    """Studio's forms send numbers and truth values as text."""
    if not isinstance(value, str):
        return value
    if value in ("true", "false"):
        return value == "true"
    if _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value
