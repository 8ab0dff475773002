"""From a start request to what a module is told: default file, expansion, redaction (modules 2.1–2.3).

What a backend or a rule may be is the module's to judge, before it takes a configuration's place; here is
judged what only the manager knows: files, the environment, and whether it can be told at all.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from genvm_wire import calldata
from genvm_wire.calldata import CalldataError, Value
from genvm_wire.module_messages import Configure
from orchestrator.modules.failures import BadConfiguration
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.redaction import Redaction, secrets_in
from orchestrator.modules.templating import Lookup, Template
from orchestrator.version import VERSION

OWN_ADDRESSES = "own_addresses"


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A module as somebody wants it. `config` null: the default file. It may hold secrets in clear."""

    config: Mapping[str, Any] | None = field(default=None, repr=False)
    allow_empty_backends: bool = False
    user_error: bool = False


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a module is told. `values` and `redaction` hold secrets: neither is ever written or shown."""

    values: Mapping[str, Value] = field(repr=False)
    redaction: Redaction
    request: StartRequest

    def message(self, generation: int) -> Configure:
        """What the module is told (docs/module-protocol.md)."""
        request = self.request
        return Configure(generation, self.values, request.user_error, request.allow_empty_backends)


def install_names() -> dict[str, str]:
    """The plain variables that shipped configurations use."""
    programs = Path(sys.executable).parent
    return {"exeDir": str(programs), "genvmRoot": str(programs.parent), "genvmVersion": VERSION}


def configuration_of(
    kind: ModuleKind,
    request: StartRequest,
    default_file: Path | None,
    environment: Lookup,
    own: Sequence[str] = (),
) -> Configuration:
    """The configuration for `request`; `own`: the machine's addresses, which web must know.

    Blocking: reads the default file. Raises BadConfiguration.
    """
    source = _default(kind, default_file) if request.config is None else request.config
    template = Template(install_names(), environment)
    values = template.expand(dict(source))
    assert isinstance(values, dict)
    if own and isinstance(named := values.get(OWN_ADDRESSES) or [], list):
        values[OWN_ADDRESSES] = [*named, *own]
    try:
        calldata.encode(values)
    except CalldataError as error:
        raise BadConfiguration(f"the configuration cannot be sent to the module: {error}") from None
    return Configuration(values, Redaction({*template.taken, *secrets_in(values)}), request)


def _default(kind: ModuleKind, file: Path | None) -> Mapping[str, Any]:
    try:
        if file is not None:
            text = file.read_text("utf-8")
        else:
            text = (
                resources.files("orchestrator.modules")
                .joinpath("defaults", f"{kind}.yaml")
                .read_text("utf-8")
            )
    except (OSError, UnicodeError) as error:
        raise BadConfiguration(f"default configuration {file}: {error}") from None
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = f" in line {place.line + 1}" if place is not None else ""
        raise BadConfiguration(f"default configuration {file}: not YAML{where}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadConfiguration(f"default configuration {file}: not a map")
    return found
