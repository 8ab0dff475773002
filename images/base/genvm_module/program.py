"""A module's `main`: under a manager, or alone with GENVM_LISTEN and GENVM_CONFIG."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import structlog
import yaml

from genvm_module import logs
from genvm_module.contract import ConfigurationRefused, Module
from genvm_module.control import DEFAULT_PATH, PATH_VARIABLE, ChannelBroken
from genvm_module.expansion import UnknownVariable, expand
from genvm_module.managed import ManagedProgram
from genvm_module.pieces import read_in_pieces
from genvm_module.sessions import DEFAULT_LIMIT
from genvm_module.standalone import AddressUnusable, StandaloneProgram

LISTEN_VARIABLE = "GENVM_LISTEN"
CONFIG_VARIABLE = "GENVM_CONFIG"
SESSIONS_VARIABLE = "GENVM_SESSIONS"
LOG_LEVEL_VARIABLE = "GENVM_LOG_LEVEL"

log = structlog.get_logger(__name__)


def run(module: Module) -> int:
    """Serve until told to stop; the exit code."""
    read_in_pieces()
    try:
        asyncio.run(_serve(module))
    except (ChannelBroken, ConfigurationRefused, AddressUnusable) as error:
        log.error("module_ended", reason=str(error))
        return 1
    return 0


async def _serve(module: Module) -> None:
    records = logs.RecordQueue()
    environment = os.environ
    logs.set_up(records, environment.get(LOG_LEVEL_VARIABLE, "info"))
    limit = int(environment.get(SESSIONS_VARIABLE) or DEFAULT_LIMIT)
    program: ManagedProgram | StandaloneProgram
    if listen := environment.get(LISTEN_VARIABLE):
        config = await asyncio.to_thread(_own_config, Path(environment.get(CONFIG_VARIABLE, "")))
        program = StandaloneProgram(module, listen, config, session_limit=limit)
    else:
        path = environment.get(PATH_VARIABLE) or DEFAULT_PATH
        program = ManagedProgram(module, path, records, session_limit=limit)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, program.stop)
    await program.serve()


def read_config(path: Path) -> Mapping[str, object]:
    """The YAML or JSON file. Raises ConfigurationRefused."""
    try:
        config = yaml.safe_load(path.read_bytes())
    except (OSError, ValueError, yaml.YAMLError) as error:
        # A parser's text quotes the file, keys included.
        raise ConfigurationRefused(f"cannot read {path}: {type(error).__name__}") from None
    if not isinstance(config, dict):
        raise ConfigurationRefused(f"{path} is not a map")
    return config


def _own_config(path: Path) -> Mapping[str, object]:
    try:
        expanded = expand(read_config(path), os.environ)
    except UnknownVariable as error:
        raise ConfigurationRefused(f"{path}: {error}") from None
    assert isinstance(expanded, dict)
    return expanded
