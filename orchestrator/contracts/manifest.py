"""Reading the manifest file (manager-api 3.11, extended by the design: image, host_table, contract_line)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from genvm_wire.host_tables import HOST_TABLES
from orchestrator.contracts.timestamps import parse_timestamp
from orchestrator.contracts.versions import MOST_REUSE, ExecutorVersion, Manifest, Number


class ManifestError(Exception):
    """The manifest cannot be used; the text says what is wrong and where."""


def _moment(value: object) -> object:
    """YAML turns an unquoted timestamp into a datetime, and a bare day into a date: both are taken as UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return parse_timestamp(value) if isinstance(value, str) else value


def _known_table(value: object) -> object:
    if value is not None and value not in HOST_TABLES:
        raise ValueError(f"unknown host table {value!r}, expected one of {', '.join(HOST_TABLES)}")
    return value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    available_after: Annotated[datetime, BeforeValidator(_moment)]
    image: str | None = None
    host_table: Annotated[str | None, BeforeValidator(_known_table)] = None
    contract_line: Literal["v0.2", "v0.3"] = "v0.2"
    fuel_width: Literal[8, 32] | None = None
    reuse: Annotated[int, Field(ge=1, le=MOST_REUSE)] | None = None
    own_contracts_only: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    executor_versions: dict[str, _Entry] = Field(min_length=1)


def load_manifest(path: Path | None, image_pattern: str) -> Manifest:
    """The manifest in `path`, or the built-in one. `image_pattern` names the image where an entry does not;
    `{version}` in it is replaced.

    Raises ManifestError.
    """
    source = resources.files(__package__) / "default-manifest.yaml" if path is None else path
    try:
        text = source.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"Failed to read manifest file: {path}: {error}") from error
    return parse_manifest(text, image_pattern)


def parse_manifest(text: str, image_pattern: str) -> Manifest:
    """A manifest from its text. Raises ManifestError; two keys of one number are refused."""
    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ManifestError(f"Failed to parse manifest YAML: {error}") from error
    try:
        file = _File.model_validate(loaded)
    except ValidationError as error:
        raise ManifestError(f"Failed to parse manifest YAML: {_first_problem(error)}") from error
    versions: dict[Number, ExecutorVersion] = {}
    for name, entry in file.executor_versions.items():
        version = _version(name, entry, image_pattern)
        if (twin := versions.get(version.number)) is not None:
            raise ManifestError(f"Failed to parse manifest YAML: {name} and {twin.name} are the same version")
        versions[version.number] = version
    return Manifest(versions.values())


def _version(name: str, entry: _Entry, image_pattern: str) -> ExecutorVersion:
    try:
        number = Number.parse(name)
    except ValueError as error:
        raise ManifestError(f"Failed to parse manifest YAML: {error}") from None
    return ExecutorVersion(
        name=name,
        number=number,
        available_after=entry.available_after,
        image=entry.image or image_pattern.replace("{version}", name),
        host_table=entry.host_table,
        contract_line=entry.contract_line,
        fuel_width=entry.fuel_width,
        reuse=entry.reuse,
        own_contracts_only=entry.own_contracts_only,
    )


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the top level"
    return f"{where}: {first['msg']}"
