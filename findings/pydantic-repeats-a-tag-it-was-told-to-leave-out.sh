#!/bin/sh
# pydantic 2.14.3 (PyPI): the message of an error about a union's tag repeats the input, whatever is asked of `errors()`.
#
# One would expect: `errors(include_input=False, include_context=False)` holds nothing of what was validated, so that an
#   API may hand its messages to whoever sent the input, or to a log.
# What happens: `msg` of `union_tag_invalid` quotes the whole tag that was found, at any length.
# Why it matters here: answers to malformed run bodies are made of these messages. A tag of some megabytes of control
#   characters came back as six times as many in JSON, for each client that asked, so that every text of a refusal is
#   cut by a function of ours.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pydantic==2.14.3
"$folder/venv/bin/python" - <<'PYTHON'
from typing import Annotated, Literal, Union

import pydantic


class Exact(pydantic.BaseModel):
    kind: Literal["exact"]


class Latest(pydantic.BaseModel):
    kind: Literal["latest"]


either = pydantic.TypeAdapter(Annotated[Union[Exact, Latest], pydantic.Field(discriminator="kind")])
tag = "x" * 5000
try:
    either.validate_python({"kind": tag})
except pydantic.ValidationError as error:
    (problem,) = error.errors(include_input=False, include_context=False, include_url=False)
print(pydantic.VERSION, problem["type"], sorted(problem), len(problem["msg"]), tag in problem["msg"])
assert problem["type"] == "union_tag_invalid"
assert sorted(problem) == ["loc", "msg", "type"]
assert tag in problem["msg"]
PYTHON
