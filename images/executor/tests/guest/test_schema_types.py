"""`#get-schema` of annotations that the vectors do not have (contract-sdk 13)."""

from __future__ import annotations

import json

import pytest

from .contracts import HEADER, value_of
from .native import NativeHarness
from .vectors import Step, call_data

BEFORE = (
    "import collections, typing\nfrom collections.abc import *\nfrom collections import *\n"
    "T = typing.TypeVar('T')\nclass Row(list[T]): pass\n"
)


def schema_of(harness: NativeHarness, annotation: str) -> object:
    """The schema's form of one parameter; null when the whole schema is refused."""
    source = (
        HEADER
        + BEFORE
        + (
            "class C(gl.Contract):\n    def __init__(self):\n        pass\n"
            f"    @gl.public.view\n    def m(self, a: {annotation}):\n        pass\n"
        )
    )
    (outcome,) = harness.run(source, [Step(call_data(harness, "#get-schema", ()))])
    if outcome.kind == "VMError":
        return None
    return json.loads(value_of(outcome))["methods"]["m"]["params"][0][1]


@pytest.mark.parametrize(
    ("annotation", "form"),
    [
        ("OrderedDict[str, int]", {"$dict": "int"}),
        ("defaultdict[str, list[int]]", {"$dict": [{"$rep": "int"}]}),
        ("MutableMapping[str, bool]", {"$dict": "bool"}),
        ("typing.Dict[str, int]", {"$dict": "int"}),
        ("ChainMap[str, int]", {"$dict": "int"}),
        ("deque[str]", [{"$rep": "string"}]),
        ("MutableSequence[int]", [{"$rep": "int"}]),
        ("typing.List[int]", [{"$rep": "int"}]),
        ("UserList[int]", [{"$rep": "int"}]),
        ("Row[int]", [{"$rep": "int"}]),
        ("OrderedDict[int, int]", None),
        ("set[int]", None),
        ("Iterable[int]", None),
        ("Collection[int]", None),
        ("typing.Annotated[int, 1]", None),
        ("Array[u8, typing.Literal[3]]", None),
    ],
)
def test_subclasses_of_the_known_generics_have_a_form(
    harness: NativeHarness, annotation: str, form: object
) -> None:
    assert schema_of(harness, annotation) == form


def test_a_constructor_is_the_contracts_own(harness: NativeHarness) -> None:
    """As a refusal of the schema: an inherited one serves to deploy."""
    source = HEADER + "class M:\n    def __init__(self):\n        pass\nclass C(gl.Contract, M):\n    pass\n"
    schema = Step(call_data(harness, "#get-schema", ()))
    deployment = Step(harness.encode({}), message={"is_init": True})
    refused, deployed = harness.run(source, [schema, deployment])
    assert (refused.kind, deployed.kind) == ("VMError", "Return")
    assert "__init__ is absent" in refused.stderr
