"""Which line a contract's code names."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from genvm_wire.contract_lines import line_of_code

OLD = "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6"
LATER = "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng"
R2 = "py-genlayer:9b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p0"
R0 = "py-genlayer:1zr6nqk597d97kg0dyxg0shhrykx5v02zjgnyrajapy4wlqvfvwh"
EMBEDDINGS = "py-lib-genlayer-embeddings:hqpree1t3470fnac2aeee1y5c2205k22bgk1p98sg8m3s1ndmxbg"


def text(runner: object, version: str = "# v0.3.0\n") -> bytes:
    return f"{version}# {json.dumps(runner)}\nimport genlayer\n".encode()


def archive(runner: object) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("runner.json", json.dumps(runner))
    return buffer.getvalue()


def wasm(section: bytes | None) -> bytes:
    module = b"\0asm\1\0\0\0"
    if section is None:
        return module
    name = b"genvm.runner.json"
    content = bytes((len(name),)) + name + section
    return module + b"\0" + bytes((len(content) & 0x7F | 0x80, len(content) >> 7)) + content


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (text({"Depends": LATER}), "v0.3"),
        (text({"Depends": OLD}), "v0.2"),
        (text({"Depends": LATER}, version=""), "v0.3"),
        (text({"Seq": [{"Depends": EMBEDDINGS}, {"Depends": LATER}]}), "v0.3"),
        (
            text(
                {"Seq": [{"Depends": "py-lib:test"}, {"When": {"cond": "det", "action": {"Depends": OLD}}}]}
            ),
            "v0.2",
        ),
        (text({"Depends": R2}), "v0.3"),
        (text({"Depends": R0}), None),
        (text({"Depends": "py-genlayer:test"}), None),
        (text({"Depends": 5}), None),
        (text([LATER]), None),
        (text({"StartWasm": LATER}), None),
        (archive({"Depends": LATER}), "v0.3"),
        (archive({"Depends": OLD}), "v0.2"),
        (wasm(None), None),
        (wasm(json.dumps({"Seq": [{"Depends": R2}, {"StartWasm": "file"}]}).encode()), "v0.3"),
        (wasm(b"{"), None),
        (b"", None),
        (b"# \xff", None),
        (b"# " + b"[" * 100_000, None),
        (text({"Depends": LATER})[:-60] + b"\xff", None),
    ],
)
def test_the_runner_says_the_line(code: bytes, line: str | None) -> None:
    assert line_of_code(code) == line
