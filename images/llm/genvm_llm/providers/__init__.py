"""The providers: for each a pure function to its wire format and one back (modules 2.6)."""

from __future__ import annotations

from collections.abc import Mapping

from genvm_llm.providers import anthropic, google, ollama, openai
from genvm_llm.providers.exchange import Provider

PROVIDERS: Mapping[str, Provider] = {
    "openai-compatible": Provider(openai.call, openai.read, "/v1", takes_extra=True),
    "anthropic": Provider(anthropic.call, anthropic.read, "/v1"),
    "google": Provider(google.call, google.read, "/v1beta"),
    "ollama": Provider(ollama.call, ollama.read, "/api"),
}
