"""The settings of a manager: environment (`GENVM_…`), then a YAML file (`--config`), then the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from orchestrator.settings.cluster import Cluster
from orchestrator.settings.edge import Listening, Requests, Speaking
from orchestrator.settings.machine import EngineChoice, Instances, ModuleContainers, Places, Warm
from orchestrator.settings.members import Members
from orchestrator.settings.runs import Asking, Durations, Kept, Logging, Queueing
from orchestrator.settings.tracing import Tracing

PREFIX = "GENVM_"
OF_CLIENTS = {"token", "token_file"}
"""Variables that the commands read besides: whom they are to the manager."""
ALIKE = 0.8
"""How near a name has to be to another to be taken for a slip, from 0 to 1."""


class BadConfig(Exception):
    """The settings cannot be read at all; the text says where, and never what a value is."""


# pydantic takes the fields of the last base first.
class Settings(
    Tracing, Logging, Kept, Durations, Asking, Queueing, Warm, ModuleContainers, Instances, Cluster,
    EngineChoice, Members, Places, Speaking, Requests, Listening, BaseSettings,
):  # fmt: skip
    """The effective settings; immutable once the manager runs."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)
    config_file: ClassVar[Path | None] = None

    @model_validator(mode="after")
    def _the_largest_body_fits(self) -> Self:
        if self.body_bytes < self.max_body_bytes:
            raise ValueError("body_bytes must be at least max_body_bytes, or a single body could not be read")
        return self

    @model_validator(mode="after")
    def _costs_come_together(self) -> Self:
        if (self.permits_per_sync is None) is not (self.permits_per_nondet is None):
            raise ValueError("permits_per_sync and permits_per_nondet must be set both or neither")
        return self

    @model_validator(mode="after")
    def _operators_have_their_own_socket(self) -> Self:
        if self.operator_socket is not None and self.operator_socket == self.socket:
            raise ValueError("operator_socket must be another socket than socket")
        return self

    @model_validator(mode="after")
    def _managers_share_a_server_and_a_secret(self) -> Self:
        if self.cluster_address is None:
            return self
        url = "" if self.database_url is None else self.database_url.get_secret_value()
        if not url.startswith("postgresql"):
            raise ValueError("cluster_address needs a database_url of PostgreSQL: a file has one manager")
        if self.cluster_secret_file is None:
            raise ValueError("cluster_address needs cluster_secret_file, the secret that all managers share")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the YAML file."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if cls.config_file is not None:
            sources.append(
                YamlConfigSettingsSource(settings_cls, yaml_file=cls.config_file, yaml_file_encoding="utf-8")
            )
        return tuple(sources)


READABLE = "give --config a file of settings that this user may read"
WRITTEN = "it must consist of lines `name: value` (docs/settings.md has the names)"


def groups() -> list[type[BaseModel]]:
    """The classes that settings are declared in, as people read them."""
    return [
        base
        for base in reversed(Settings.__bases__)
        if issubclass(base, BaseModel) and not issubclass(base, BaseSettings)
    ]


def load_settings(config_file: Path | None = None, **flags: Any) -> Settings:
    """The effective settings; `flags` (command line) win over everything, None means not given.

    Raises pydantic's ValidationError, BadConfig.
    """
    if config_file is not None:
        _check_readable(config_file)

    class Sourced(Settings):
        pass

    Sourced.config_file = config_file
    try:
        return Sourced(**{name: value for name, value in flags.items() if value is not None})
    except SettingsError as error:
        raise BadConfig(f"a setting that is a list must be JSON in the environment: {error}") from error


def _check_readable(config_file: Path) -> None:
    try:
        found = yaml.safe_load(config_file.read_text("utf-8"))
    except OSError as error:
        raise BadConfig(f"config file {config_file}: {error.strerror}; {READABLE}") from error
    except UnicodeDecodeError as error:
        raise BadConfig(f"config file {config_file} is not UTF-8: save it as that") from error
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise BadConfig(f"config file {config_file}{where}: this is not YAML; {WRITTEN}") from error
    if not isinstance(found, dict | None):
        raise BadConfig(f"config file {config_file}: {WRITTEN}")
    for name in found or ():
        # What nobody reads would not be in force, and nobody would say so.
        if name not in Settings.model_fields:
            meant = _meant(str(name).lower().removeprefix(PREFIX.lower()))
            perhaps = f": is {meant} meant?" if meant else " (docs/settings.md has them all)"
            raise BadConfig(f"config file {config_file}: there is no setting {str(name)[:40]!r}{perhaps}")


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that are no setting and look very much like one → that one's variable."""
    names = {name.removeprefix(PREFIX).lower(): name for name in environment if name.startswith(PREFIX)}
    others = names.keys() - Settings.model_fields.keys() - OF_CLIENTS
    found = {names[name]: _meant(name) for name in sorted(others)}
    return {name: PREFIX + meant.upper() for name, meant in found.items() if meant}


def _meant(name: str) -> str | None:
    """The setting that is called so, or nearly so."""
    same_letters = [field for field in Settings.model_fields if sorted(field) == sorted(name)]
    near = same_letters or get_close_matches(name, Settings.model_fields, n=1, cutoff=ALIKE)
    return near[0] if near else None
