"""`genvm-orchestrator check`: one run of the command over a table of contracts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.developer.test_dev_session import EXAMPLES, ROOT, environment

HEADER = '# v0.2.0\n# { "Depends": "py-genlayer:test" }\n'
START = f"{HEADER}from genlayer import *\n\n"


@dataclass(frozen=True)
class Bad:
    """A contract that a node refuses: at `line`, with `text`, and `advice` on it."""

    name: str
    code: str
    line: int | None
    text: str
    advice: str
    severity: str = "error"


def contract(fields: str = "x: u8", body: str = "", top: str = "") -> str:
    return f"{START}{top}class C(gl.Contract):\n    {fields}\n    def __init__(self):\n        pass\n{body}"


TABLE = (
    Bad("no_header", "from genlayer import *\n", 1, "does not begin with a runner comment", "begin the file"),
    Bad("marked", "\ufeff" + HEADER, 1, "does not begin with a runner comment", "byte order mark"),
    Bad("copyright", HEADER + "# Copyright\n", 2, "not JSON", "leave a blank line between"),
    Bad("shebang", "#!/bin/python\n" + HEADER, 3, "not JSON", "every comment line before it belongs to it"),
    Bad("optional", contract("x: u8 | None"), 6, "cannot be a storage type", "choose one that means none"),
    Bad("no_json", "# v0.2.0\n# { not json }\n", 2, "not JSON", "the comment is JSON"),
    Bad(
        "unknown",
        '# v0.2.0\n# { "Depends": "py-other:1jb4" }\n',
        2,
        "'py-other:1jb4' is not installed",
        "name a",
    ),
    Bad("too_new", HEADER.replace("v0.2.0", "v9.0.0"), 1, "asks for v9.0.0", "ask for a version"),
    Bad("syntax", f"{START}class C(gl.Contract)\n    pass\n", 5, "SyntaxError", ""),
    Bad("int_field", contract("x: u8\n    wrong: int"), 7, "field 'wrong' of C", ""),
    Bad("dict_field", contract("wrong: dict"), 6, "TreeMap", ""),
    Bad(
        "inherited",
        contract("x: u8", top="class B:\n    wrong: list\n\n").replace("C(gl", "C(B, gl"),
        6,
        "DynArray",
        "",
    ),
    Bad("numpy", contract(top="import numpy\n"), 5, "No module named 'numpy'", "no native packages"),
    Bad("network", contract(top="import requests\n"), 5, "No module named 'requests'", "gl.nondet.web"),
    Bad("name", contract(top="x = undefined\n"), 5, "NameError", "import or define the name"),
    Bad(
        "two", contract(top="class A(gl.Contract):\n    pass\n\n"), 8, "only one contract", "put shared code"
    ),
    Bad("none", START, None, "no contract defined", "define one class"),
    Bad(
        "starred",
        contract(body="    @gl.public.view\n    def m(self, *args):\n        pass\n"),
        10,
        "*args and **kwargs are not allowed: a node deploys it all the same, but it has no schema",
        "name every parameter",
        "warning",
    ),
    Bad(
        "no_constructor",
        f"{START}class C(gl.Contract):\n    x: u8\n",
        5,
        "__init__ is absent: C needs its own: a node deploys it all the same, but it has no schema",
        "write a constructor, even one that does nothing",
        "warning",
    ),
    Bad(
        "public_constructor",
        contract().replace("    def __init__", "    @gl.public.write\n    def __init__"),
        5,
        "__init__ must not be public",
        "take the decorator off",
    ),
    Bad(
        "late",
        contract(
            body="    @gl.public.view\n    def m(self):\n        import numpy as np\n        return np\n"
        ),
        11,
        "No module named 'numpy'",
        "no native packages",
        "warning",
    ),
    Bad(
        "late_name",
        contract(body="    @gl.public.write\n    def m(self):\n        raise UserError('no')\n"),
        11,
        "name 'UserError' is not defined",
        "gl.vm.UserError",
        "warning",
    ),
    Bad(
        "late_attribute",
        contract(body="    @gl.public.view\n    def m(self) -> str:\n        return gl.message.sender\n"),
        11,
        "has no attribute 'sender'",
        "sender_address",
        "warning",
    ),
    Bad(
        "text_annotation",
        contract(body="    @gl.public.view\n    def m(self, a: 'int', b: 'str') -> int:\n        return a\n"),
        10,
        "the annotation is text, or has text within: reference nodes make no schema",
        "write the type itself",
        "warning",
    ),
    Bad(
        "text_annotations",
        contract(body="    @gl.public.view\n    def m(self, a: int) -> int:\n        return a\n").replace(
            START, f"{HEADER}from __future__ import annotations\nfrom genlayer import *\n"
        ),
        3,
        "makes text of every annotation: reference nodes make no schema",
        "take the line out",
        "warning",
    ),
    Bad(
        "no_form",
        contract(body="    @gl.public.view\n    def m(self) -> float:\n        return 0.5\n"),
        10,
        "SchemaError: C.m: the schema has no form for <class 'float'>",
        "annotate with",
        "warning",
    ),
)
LATER = '# v0.3.0\n# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }\n'
GONE = "9b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p0"


def later(fields: str = "x: u8", body: str = "", top: str = "import genlayer as gl\n") -> str:
    base = "class C(gl.contract.Contract):\n"
    made = f"    {fields}\n    def __init__(self):\n        pass\n{body}"
    return f"{LATER}{top}from genlayer.types import *\n\n{base}{made}"


LATER_TABLE = (
    Bad(
        "later_gone",
        later().replace("5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng", GONE),
        2,
        "is not installed; installed: py-genlayer:5jycge4q8k23",
        "name a py-genlayer id",
    ),
    Bad("later_gl", later(top=""), 5, "name 'gl' is not defined", "import genlayer as gl"),
    Bad(
        "later_old",
        later(body="    a = gl.advanced\n"),
        10,
        "has no attribute 'advanced'",
        "names have moved",
    ),
    Bad("later_map", later("x: TreeMap[str, u8]"), 7, "name 'TreeMap' is not", "from genlayer.storage"),
    Bad(
        "later_package",
        later()
        .replace('{ "Depends"', '{ "Seq": [{ "Depends": "py-lib-e:1jb4e" }, { "Depends"')
        .replace('qng" }', 'qng" }] }'),
        2,
        "is no hash in GVM32",
        "second generation",
    ),
    Bad(
        "later_name",
        later(body="    @gl.public.write\n    def m(self):\n        gl.vm.run_nondet_unsafe(None, None)\n"),
        12,
        "has no attribute 'run_nondet_unsafe'",
        "gl.vm.run_nondet here",
        "warning",
    ),
    Bad("later_int", later("x: u8\n    wrong: int"), 8, "(field 'wrong' of C)", "fields have the types"),
    Bad("later_none", f"{LATER}import genlayer as gl\n", None, "no contract defined", "gl.contract.Contract"),
    Bad(
        "later_late",
        later(body="    @gl.public.view\n    def m(self) -> int:\n        import numpy\n        return 1\n"),
        12,
        "No module named 'numpy'",
        "no native packages",
        "warning",
    ),
)
GOOD = (
    "ballot",
    "critic",
    "escrow",
    "market",
    "plugins",
    "workshop",
    "counter",
    "ledger",
    "judge",
    "auction",
    "factory",
    "oracle",
    "summary",
    "bridge",
    "wallet",
    "poll",
    "guestbook",
)


def check(compiled: str, *words: str) -> tuple[int, list[dict[str, Any]]]:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator", "check", "--json", *words],
        cwd=ROOT,
        env=environment(compiled),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    found = json.loads(ran.stdout)
    assert isinstance(found, list)
    return ran.returncode, found


def example(name: str) -> str:
    file = EXAMPLES / f"{name}.py"
    return str(file if file.is_file() else EXAMPLES / name)


@pytest.fixture(scope="module")
def checked(compiled: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("contracts")
    files = []
    for bad in (*TABLE, *LATER_TABLE):
        path = folder / f"{bad.name}.py"
        path.write_text(bad.code)
        files.append(str(path))
    code, reports = check(compiled, *files, *map(example, GOOD), str(EXAMPLES / "tally.wat"))
    return code, {Path(report["file"]).stem: report for report in reports}


@pytest.mark.parametrize("bad", (*TABLE, *LATER_TABLE), ids=lambda bad: bad.name)
def test_what_a_node_refuses_is_named_with_its_line(
    checked: tuple[int, dict[str, dict[str, Any]]], bad: Bad
) -> None:
    report = checked[1][bad.name]
    assert report["trouble"] is None
    (problem,) = report["problems"]
    assert (problem["severity"], problem["line"]) == (bad.severity, bad.line)
    assert bad.text in problem["text"]
    assert bad.advice in problem["advice"]
    assert report["ok"] is (bad.severity == "warning")


@pytest.mark.parametrize("name", GOOD)
def test_what_a_node_takes_has_its_schema(checked: tuple[int, dict[str, dict[str, Any]]], name: str) -> None:
    report = checked[1][name]
    assert (report["ok"], report["problems"], report["trouble"]) == (True, [], None)
    assert "methods" in report["schema"]


def test_a_file_that_does_not_come_to_its_end_is_given_up_and_it_is_said(
    compiled: str, tmp_path: Path
) -> None:
    file = tmp_path / "endless.py"
    file.write_text(contract(top="while True:\n    pass\n"))
    code, (report,) = check(compiled, str(file), "--run-limit", "1")
    assert (code, report["ok"], report["problems"]) == (3, False, [])
    assert report["trouble"].startswith("no result within 1 s: the file's own lines")
    assert "look for a loop there" in report["trouble"]


def test_the_exit_code_is_for_scripts(checked: tuple[int, dict[str, dict[str, Any]]]) -> None:
    assert checked[0] == 1
