"""Settings of the manager; each says what it is, its unit, and why it has its default (docs/settings.md).

Secrets are `SecretStr`, so that no log line and no `config show` can print them.
"""

from __future__ import annotations

from orchestrator.settings.effective import BadConfig, Settings, load_settings, misspelt
from orchestrator.settings.values import InstanceNetwork, LogFormat, ShutdownPolicy

__all__ = [
    "BadConfig",
    "InstanceNetwork",
    "LogFormat",
    "Settings",
    "ShutdownPolicy",
    "load_settings",
    "misspelt",
]
