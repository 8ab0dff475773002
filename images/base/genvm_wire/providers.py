"""The LLM providers' names, as configurations and checks say them (spec/modules.md 2.6)."""

from __future__ import annotations

from typing import Literal

ProviderName = Literal["openai-compatible", "anthropic", "google", "ollama"]
