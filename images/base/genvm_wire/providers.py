"""The LLM providers' names, as configurations and checks say them (modules 2.6)."""

from __future__ import annotations

from typing import Literal

ProviderName = Literal["openai-compatible", "anthropic", "google", "ollama"]
