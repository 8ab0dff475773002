"""Values that are allowed and unusual: whatever lands in a template lands there as what it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, VERSIONS, HelmEngine, Rendered
from tests.helm.schemas import complaints

SCHEMA = json.loads((CHART / "values.schema.json").read_text("utf-8"))
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
LIKE_OTHER_TYPES = ("123", "true", "null", "0x1")
"""Names that clusters allow, and that YAML takes for something else when nobody quotes them."""

EVERYTHING: dict[str, Any] = {
    "fullnameOverride": "demo",
    "replicas": 2,
    "managers": {"existingSecret": "m"},
    "imagePullSecrets": ["pull"],
    "providers": {"existingSecret": "p", "keys": ["K"]},
    "nodes": {"directNetworks": ["10.42.0.0/16"], "allowedNetworks": ["10.42.0.0/16"]},
    "access": {"tokensSecret": "t", "allowedHosts": ["h.example"]},
    "postgresql": {"existingSecret": "d"},
    "persistence": {"storageClass": "fast"},
    "service": {"alsoReachedAt": ["h.example:443"], "annotations": {"a": "b"}},
    "networkPolicy": {"clientNamespaces": [{"team": "a"}], "clientNetworks": ["10.9.0.0/16"]},
    "serviceAccount": {"annotations": {"a": "b"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "k", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "settings": {"retention": 60},
    "extraEnv": [{"name": "A", "value": "b"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "tests": {"tokenSecret": "n"},
}
"""Something in each value that is empty by default."""


def together(one: Any, other: Any) -> Any:
    """As Helm merges values."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return one | {key: together(one.get(key), value) for key, value in other.items()}


def at(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def strictly(rendered: Rendered) -> Iterator[str]:
    """What a server would refuse of any object: text that is no YAML, a key twice, fields of another type."""
    for path, text in rendered.sources.items():
        if path.endswith(".yaml"):
            yield from (f"{path}: {key} twice" for key in twice(yaml.compose_all(text)))
    for one in rendered.objects:
        found = [said for version in VERSIONS for said in complaints(one, version)]
        found += not_text(one.get("data")) + not_text(one.get("stringData"))
        yield from (f"{one['kind']} {one['metadata']['name']}: {said}" for said in found)


def twice(nodes: Iterator[Any]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            yield from (key for key in set(keys) if keys.count(key) > 1)
            yield from twice(value for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            yield from twice(iter(node.value))


def not_text(mapping: dict[Any, Any] | None) -> list[str]:
    return [f"{one!r} is no text" for pair in (mapping or {}).items() for one in pair if type(one) is not str]


def names(schema: dict[str, Any], value: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value of the schema that `value` is allowed as, alone, in a list, or as what a map holds."""
    for key, one in schema.get("properties", {}).items():
        inner = one.get("items", {})
        if is_name(one, value):
            yield (key,), value
        elif is_name(inner, value):
            yield (key,), [value]
        elif is_name(one.get("additionalProperties") or {}, value):
            yield (key,), {value: value}
        elif is_name(inner.get("additionalProperties") or {}, value):
            yield (key,), [{value: value}]
        yield from (((key, *path), what) for path, what in names(one, value))


def is_name(schema: Any, value: str) -> bool:
    if schema is True or schema.get("type") != "string":
        return False
    return re.search(schema.get("pattern", ""), value) is not None


UNTOUCHED = ("fullnameOverride",)
"""A Service's name, which has to begin with a letter."""


@pytest.mark.parametrize("name", LIKE_OTHER_TYPES)
@pytest.mark.parametrize("url", [False, True], ids=["by reference", "database said"])
def test_names_that_look_like_something_else_stay_names(name: str, url: bool, helm: HelmEngine) -> None:
    values = EVERYTHING
    reached = [(path, what) for path, what in names(SCHEMA, name) if path[0] not in UNTOUCHED]
    assert len(reached) > 20 or not re.fullmatch("[a-z0-9]+", name)
    for path, what in reached:
        values = together(values, at(path, what))
    if url:
        values = together(values, {"postgresql": {"existingSecret": "", "url": "postgresql+psycopg://h/d"}})
    assert list(strictly(helm.render(values, release=name, namespace=name))) == []


def maps_and_lists(schema: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for key, one in schema.get("properties", {}).items():
        if one.get("type") == "array" or ("properties" not in one and one.get("type") == "object"):
            yield (key,)
        yield from ((key, *path) for path in maps_and_lists(one))


def emptied(value: Any) -> Any:
    """A map's keys go one by one, as Helm's merging has it; a list goes at once."""
    return dict.fromkeys(value) if isinstance(value, dict) else []


OPEN = [path for path in maps_and_lists(SCHEMA) if path[0] not in ("resources", "global")]


def default(path: tuple[str, ...]) -> Any:
    found = DEFAULTS
    for key in path:
        found = found[key]
    return found


@pytest.mark.parametrize("path", OPEN, ids=".".join)
@pytest.mark.parametrize("how", ["empty", "null"])
def test_what_is_empty_leaves_nothing_behind(path: tuple[str, ...], how: str, helm: HelmEngine) -> None:
    """The refusal of a policy without clients' labels says that tokens do as well: then they have to."""
    nothing = emptied(default(path)) if how == "empty" else None
    values = together({"access": {"tokensSecret": "t"}}, at(path, nothing))
    found = helm.render(values)
    assert list(strictly(found)) == []
    assert "null" not in found.notes


def test_without_labels_of_clients_the_notes_name_none(helm: HelmEngine) -> None:
    found = helm.render({"access": {"tokensSecret": "t"}, "networkPolicy": {"clientLabels": None}})
    assert "labelled" not in found.notes.partition("\n\n")[0]


def test_clients_labels_may_be_those_that_objects_have_anyway(helm: HelmEngine) -> None:
    """The test's Pod has them instead of its own."""
    label = {"app.kubernetes.io/name": "node"}
    found = helm.render({"networkPolicy": {"clientLabels": label}})
    assert list(strictly(found)) == []
    assert found.named("Pod", "-contract")["metadata"]["labels"].items() >= label.items()


def test_long_names_that_begin_alike_are_two(helm: HelmEngine) -> None:
    begin = "genvm-production-europe-west-1-validators-cluster"
    one, other = (identities(helm.render({}, release=f"{begin}-{end}")) for end in ("a", "b"))
    assert one & other == set()
    assert all(len(name) <= 63 for _, name in one | other)


def test_names_that_are_not_cut_are_the_releases(helm: HelmEngine) -> None:
    """An upgrade of an installation that there is finds its objects."""
    longest = "a" * 26
    assert helm.render({}, release=longest).manager["metadata"]["name"] == f"{longest}-genvm-orchestrator"
    assert helm.render({}).manager["metadata"]["name"] == "demo-genvm-orchestrator"


def identities(found: Rendered) -> set[tuple[str, str]]:
    return {(one["kind"], one["metadata"]["name"]) for one in found.objects}
