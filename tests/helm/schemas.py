"""Schemas of Kubernetes' objects by version, from the package kubernetes-validate; each is read once."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs

from tests.helm.chart import Object

DEFINITIONS = "https://kubernetes.io/api/_definitions.json"


def complaints(value: Object, version: str) -> list[str]:
    """What a server of that version (v1.30.2) would refuse: unknown fields, wrong types."""
    found = _validator(version, value["kind"], value["apiVersion"]).iter_errors(value)
    return [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in found]


@cache
def _validator(version: str, kind: str, api: str) -> jsonschema_rs.Draft202012Validator:
    group, _, short = api.rpartition("/")
    name = f"{kind.lower()}-{group.split('.')[0] + '-' if group else ''}{short}.json"
    return jsonschema_rs.Draft202012Validator(_file(version, name), registry=_definitions(version))


@cache
def _definitions(version: str) -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([(DEFINITIONS, _file(version, "_definitions.json"))])


def _file(version: str, name: str) -> Any:
    minor = ".".join(version.split(".")[:2])
    folder = f"kubernetes-json-schema/{minor}.0-local-strict"
    return json.loads(resources.files("kubernetes_validate").joinpath(folder, name).read_text("utf-8"))
