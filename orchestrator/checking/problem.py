"""From what the executor said of a contract to a line in its source, and what to do about it."""

from __future__ import annotations

import ast
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from genvm_wire.contract_lines import rules_of_code
from genvm_wire.line_rules import LATER_LINE, OLD_LINE
from orchestrator.node.contract_lines import complaint, places
from orchestrator.node.run_report import RunReport

WITHOUT_MARK: Final = "the file begins with a byte order mark: save it as UTF-8 without one"
_FIELD: Final = re.compile(r"field '(?P<field>\w+)' of (?P<cls>[\w.]+)")
_FUNCTION: Final = re.compile(r"^(?:Schema|Name)Error: (?P<cls>\w+)\.(?P<function>\w+):")
_RUNNER: Final = re.compile(r"runner (?:id )?'(?P<id>[^']+)'")
_SCHEMA_ALONE: Final = re.compile(
    r"^SchemaError: (?!__init__ must not be public)|^NameError: \w+\.\w+: (?=name )"
)
"""What only the schema is refused for: nobody asks for that when a contract is deployed or called."""
_NO_SCHEMA: Final = "a node deploys it all the same, but it has no schema, and what shows contracts needs one"
_PACKAGE: Final = re.compile(r"^genlayer\w*\.(?:\w+\.)*(?=\w+:)")

_LATER_ADVICE: Final = (
    (
        r"name 'gl' is not defined",
        "begin with `import genlayer as gl`, as this runner has it",
    ),
    (r"module 'genlayer' has no attribute 'Contract'", "contracts inherit gl.contract.Contract here"),
    (
        r"no attribute '(TreeMap|DynArray|Array|allow_storage)'",
        "it is in gl.storage: TreeMap, DynArray, Array, allow",
    ),
    (
        r"name '(TreeMap|DynArray|Array|VLA|Indirection)' is not",
        "`from genlayer.storage import …` it, or gl.storage.…",
    ),
    (r"name 'allow_storage' is not", "decorate with @gl.storage.allow"),
    (
        r"'(get_contract_at|deploy_contract|ContractProxy)'",
        "it is gl.contract.get_at, .deploy or .Proxy here",
    ),
    (r"no attribute 'contract_interface'", "it is gl.contract.interface or gl.evm.contract_interface here"),
    (r"no attribute 'message_raw'", "it is gl.message.raw here"),
    (r"no attribute 'Event'", "it is gl.chain.Event here"),
    (
        r"no attribute 'run_nondet_unsafe'",
        "it is gl.vm.run_nondet here, and the former run_nondet is run_nondet_default",
    ),
    (r"'UserError'", "it is gl.vm.UserError"),
    (
        r"'genlayer.message' has no attribute",
        "gl.message has sender_address, value, datetime, raw and their like",
    ),
    (r"has no attribute", "names have moved in this library; see docs/contracts.md"),
    (r"only one contract is allowed", "put shared code into a class that is no gl.contract.Contract"),
    (r"no contract defined", "define one class that inherits gl.contract.Contract"),
    (r"not marked for usage", "mark the class with @gl.storage.allow"),
    (r"^NameError", "import or define the name; types come with `from genlayer.types import *`"),
)
"""For the second generation of the library, where it differs."""
_LINE_ADVICE: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {OLD_LINE: (), LATER_LINE: _LATER_ADVICE}
"""What is looked for first, by line."""
_ADVICE: Final = (
    (r"does not begin with a runner comment", "begin the file with the version and runner comments"),
    (
        r"it holds the library that contracts import",
        "pin an id of `from genlayer import *`, or see docs/contracts.md",
    ),
    (r"runner .* is not installed", "name a py-genlayer id that the network has"),
    (r"is for debug mode", "pin the runner by its hash before you deploy"),
    (r"not JSON: Extra data", "comment lines right below belong to the header: leave a blank line between"),
    (
        r"runner is not JSON",
        'the comment is JSON: # { "Depends": "py-genlayer:…" }; every comment line before it belongs to it',
    ),
    (r"version_too_big|asks for v", "ask for a version that the network runs"),
    (r"No module named '(numpy|PIL|pandas|onnx)", "there are no native packages; see docs/contracts.md"),
    (r"No module named '(requests|httpx|aiohttp|urllib3)", "ask the web with gl.nondet.web in a block"),
    (r"No module named", "contracts have the standard library and genlayer, nothing else"),
    (r"VecDB needs", "there is no VecDB; see docs/contracts.md"),
    (r"use a sized integer|DynArray|TreeMap|mark the class|say what it holds|instead of", ""),
    (
        r"(Optional\[.*|Union\[.*|\| None.*) cannot be a storage type",
        "a field always has a value: choose one that means none",
    ),
    (r"cannot be a storage type", "fields have the types of docs/contracts.md"),
    (r"only one contract is allowed", "put shared code into a class that is no gl.Contract"),
    (r"no contract defined", "define one class that inherits gl.Contract"),
    (r"needs its own|__init__ is absent", "write a constructor, even one that does nothing"),
    (r"must not be public", "take the decorator off __init__"),
    (r"\*args and \*\*kwargs", "name every parameter of a public method"),
    (r"has no form for", "annotate with int, str, bool, bytes, Address, list, dict, or a dataclass"),
    (r"name 'UserError' is not|no attribute '(UserError|Rollback)'", "it is gl.vm.UserError"),
    (
        r"'MessageType' object has no attribute",
        "gl.message has sender_address, contract_address, value and their like",
    ),
    (
        r"is no hash in GVM32",
        "take the id of the second generation, as for py-genlayer; the first one's are other ones",
    ),
    (r"^NameError", "import or define the name; most of genlayer comes with `from genlayer import *`"),
    (r"not_utf8", "save the file as UTF-8"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """`severity`: `error` (a node refuses it) or `warning`; `line` from 1, null when it has none.

    `code`: what the node's result says.
    """

    severity: str
    line: int | None
    text: str
    advice: str
    code: str
    source: str = ""

    def moved(self, code: bytes, line: int) -> Problem:
        """The same at another line."""
        return replace(self, line=line, source=_shown(_source(code), line))


def problem_of(outcome: RunReport, code: bytes, severity: str = "error") -> Problem | None:
    """Null when the contract is as a node wants it."""
    result = outcome.result
    if result is None or result.succeeded:
        return None
    said = result.data if isinstance(result.data, str) else repr(result.data)
    text = _PACKAGE.sub("", complaint(outcome.stderr) or _last_line(outcome.stderr) or said)
    source = _source(code)
    line = _line(text, said, outcome.stderr, source)
    of_line = _LINE_ADVICE[rules_of_code(code).name]
    advice = WITHOUT_MARK if code.startswith(BOM_UTF8) else _advice(text, said, of_line)
    if _SCHEMA_ALONE.search(text):
        severity, text = "warning", f"{text}: {_NO_SCHEMA}"
    return Problem(severity, line, text, advice, said, _shown(source, line))


def _advice(text: str, said: str, first: tuple[tuple[str, str], ...]) -> str:
    for pattern, advice in first + _ADVICE:
        if re.search(pattern, text) or re.search(pattern, said):
            return advice
    return ""


def _line(text: str, said: str, stderr: str, source: str) -> int | None:
    if not source:
        return None
    if said.startswith(("invalid_contract", "version_too_big")):
        return _header_line(text, source)
    if (found := _FIELD.search(text)) is not None:
        return _field_line(source, found["cls"].rpartition(".")[2], found["field"])
    if (found := _FUNCTION.search(text)) is not None:
        return _function_line(source, found["cls"], found["function"])
    own = [place for place in places(stderr) if not place.file]
    if own:
        return own[-1].line
    return _class_line(source)


def _header_line(text: str, source: str) -> int:
    """The line that names what is refused, else the first one of the runner."""
    lines = source.splitlines() or [""]
    if (found := _RUNNER.search(text)) is not None:
        return next((number for number, line in enumerate(lines, 1) if found["id"] in line), 1)
    if "JSON" in text:
        return next((number for number, line in enumerate(lines, 1) if "{" in line), 1)
    return 1


def _classes(source: str) -> list[ast.ClassDef]:
    try:
        return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    except (SyntaxError, ValueError, RecursionError):
        return []


def _field_line(source: str, cls: str, field: str) -> int | None:
    """Where the class, or one that it inherits from in this file, declares the field."""
    classes = {node.name: node for node in _classes(source)}
    node = classes.get(cls)
    own = [node, *classes.values()] if node is not None else [*classes.values()]
    for one in own:
        for part in one.body:
            if (
                isinstance(part, ast.AnnAssign)
                and isinstance(part.target, ast.Name)
                and part.target.id == field
            ):
                return part.lineno
    return None if node is None else node.lineno


def _function_line(source: str, cls: str, function: str) -> int | None:
    for node in _classes(source):
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and node.name == cls and part.name == function:
                return part.lineno
    return _class_line(source)


def _class_line(source: str) -> int | None:
    """The contract's class."""
    for node in _classes(source):
        if any(ast.unparse(base).endswith("Contract") for base in node.bases):
            return node.lineno
    return None


def _source(code: bytes) -> str:
    """Of a contract that is one text."""
    try:
        return "" if code.startswith((b"\0asm", b"PK")) else code.decode()
    except UnicodeDecodeError:
        return ""


def _shown(source: str, line: int | None) -> str:
    lines = source.splitlines()
    return lines[line - 1].strip() if line is not None and 0 < line <= len(lines) else ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
