"""Contract packages: ZIP, raw WASM or text with a comment header (contract-runtime 2.1, 2.2)."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NoReturn

from genvm_wire.line_rules import LINE_RULES
from genvm_wire.records import record
from genvm_wire.wasm_sections import WASM_MAGIC, custom_section

MARKERS: Final = ("//", "#", "--")
DEFAULT_VERSION: Final[Mapping[str, str]] = MappingProxyType({"v0.2": "v0.1.0", "v0.3": "v0.0.0"})
VERSION: Final = re.compile(r"v(\d{1,9})\.(\d{1,9})\.(\d{1,9})")
ANY_VERSION: Final = "v*.*.*"
_ZIP_END: Final = b"PK\x05\x06"
_ZIP_END_SIZE: Final = 22
MOST_HEADER: Final = 256 * 1024
"""Bytes of a comment header, or of the JSON of a runner: each costs many times its size to take apart."""
_PIECE: Final = 1024 * 1024


class Shape(StrEnum):
    ZIP = "zip"
    WASM = "wasm"
    TEXT = "text"


class Fault(StrEnum):
    """What can be wrong with a package."""

    ABSENT = "absent"
    MALFORMED = "malformed"
    NOT_UTF8 = "not_utf8"
    NO_MEMORY = "no_memory"


_VM_ERRORS: Final[Mapping[str, Mapping[Fault, str]]] = {
    "v0.2": {
        Fault.ABSENT: "invalid_contract absent_runner_comment",
        Fault.MALFORMED: "invalid_contract",
        Fault.NOT_UTF8: "invalid_contract not_utf8_text",
        Fault.NO_MEMORY: "OOM",
    },
    "v0.3": {
        Fault.ABSENT: "invalid_contract runner absent",
        Fault.MALFORMED: "invalid_contract runner malformed",
        Fault.NOT_UTF8: "invalid_contract not_utf8_text",
        Fault.NO_MEMORY: "out_of memory",
    },
}


class PackageError(ValueError):
    """The code is no contract package; `vm_error` is the VM error code of the line."""

    def __init__(self, fault: Fault, line: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.vm_error = _VM_ERRORS[line][fault]


@record
class ContractPackage:
    """A parsed package: `files` by path inside it; `runner` is the JSON object of `runner.json`."""

    shape: Shape
    version: str
    runner: Mapping[str, Any]
    files: Mapping[str, bytes]


def parse(code: bytes, line: str) -> ContractPackage:
    """Parse code for the contract line `v0.2` or `v0.3`. Raises PackageError."""
    shape = shape_of(code)
    if shape is Shape.ZIP:
        return _parse_zip(code, line)
    if shape is Shape.WASM:
        version = _wasm_version(code, line) or DEFAULT_VERSION[line]
        return ContractPackage(shape, version, _wasm_runner(code, line), {"file": code})
    specified, json_lines = _split_version(_header(code, line))
    runner = _text_runner(json_lines, line)
    return ContractPackage(shape, specified or DEFAULT_VERSION[line], runner, {"file": code})


def runner_of(code: bytes, line: str) -> Mapping[str, Any]:
    """The `runner` of a package, without a look at the rest of it. Raises PackageError."""
    match shape_of(code):
        case Shape.ZIP:
            return _zip_runner(_zip_files(code, line, only="runner.json"), line)
        case Shape.WASM:
            return _wasm_runner(code, line)
        case Shape.TEXT:
            return _text_runner(_split_version(_header(code, line))[1], line)


def names_no_runner(code: bytes, line: str) -> bool:
    """Whether it is text whose header has a version at most. Raises PackageError."""
    return shape_of(code) is Shape.TEXT and not "".join(_split_version(_header(code, line))[1]).strip()


def shape_of(code: bytes) -> Shape:
    """The first shape that fits, in the order of section 2.1; anything else counts as text."""
    if _ends_like_zip(code):
        from genvm_wire import zip_package  # noqa: PLC0415 - imports much, for the few that are archives

        if zip_package.is_zip(code):
            return Shape.ZIP
    return Shape.WASM if code.startswith(WASM_MAGIC) else Shape.TEXT


def _ends_like_zip(code: bytes) -> bool:
    """Whether the record that ends a ZIP archive is where it may be: before a comment of 64 KiB at most."""
    return code.find(_ZIP_END, max(0, len(code) - _ZIP_END_SIZE - (1 << 16))) >= 0


def version_text(code: bytes, line: str) -> str:
    """The version that detection sees (manager-api 3.8, step 2). Raises PackageError.

    Unlike `parse` it looks at no runner JSON, and a ZIP without a version is `v*.*.*`.
    """
    match shape_of(code):
        case Shape.ZIP:
            raw = _zip_files(code, line, only="version").get("version")
            return ANY_VERSION if raw is None else _utf8(raw, line, "the version file")
        case Shape.WASM:
            return _wasm_version(code, line) or DEFAULT_VERSION[line]
        case Shape.TEXT:
            return _split_version(_header(code, line, most=1))[0] or DEFAULT_VERSION[line]


def too_new(text: str, executor_version: str) -> str | None:
    """Why an executor of the line `v0.2` refuses a package's version; null where it takes it.

    Within the line any patch is welcome: a release that comes after this executor has the same library.
    """
    wanted, own = VERSION.match(text), VERSION.match(executor_version)
    if wanted is None or own is None or _line_of(wanted) <= _line_of(own):
        return None
    return f"the contract asks for {wanted[0]}, this executor is {own[0]}"


def _line_of(version: re.Match[str]) -> tuple[int, int]:
    return int(version[1]), int(version[2])


def _utf8(raw: bytes, line: str, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise PackageError(Fault.NOT_UTF8, line, f"{what} is not UTF-8 at byte {error.start}") from None


def _wasm_version(code: bytes, line: str) -> str | None:
    section = custom_section(code, b"genvm.version")
    return None if section is None else _utf8(section, line, "the section genvm.version").strip()


def _text_runner(comment: list[str], line: str) -> Mapping[str, Any]:
    return _runner(LINE_RULES[line].comment_separator.join(comment), line)


def _zip_runner(files: Mapping[str, bytes], line: str) -> Mapping[str, Any]:
    if "runner.json" not in files:
        raise PackageError(Fault.MALFORMED, line, "the archive has no runner.json")
    return _runner_in(files["runner.json"], line, "runner.json")


def _wasm_runner(code: bytes, line: str) -> Mapping[str, Any]:
    """Its actions, where a module of line v0.3 carries them (contract-sdk-v03 19)."""
    section = custom_section(code, b"genvm.runner.json") if LINE_RULES[line].modules_name_runners else None
    if section is None:
        return {"StartWasm": "file"}
    return _runner_in(section, line, "the section genvm.runner.json")


def _header(code: bytes, line: str, most: int | None = None) -> list[str]:
    """The lines of the comment header, without their marker; `most`: of the first of them only."""
    _check_utf8(code, line)
    marker = next((one for m in MARKERS if code.startswith(one := m.encode())), None)
    if marker is None:
        raise PackageError(Fault.ABSENT, line, "the contract does not begin with a runner comment")
    header: list[str] = []
    start = 0
    while code.startswith(marker, start) and len(header) != most:
        end = code.find(b"\n", start)
        end = len(code) if end < 0 else end
        if end > MOST_HEADER:
            raise PackageError(Fault.MALFORMED, line, f"the header is longer than {MOST_HEADER} bytes")
        header.append(code[start + len(marker) : end].decode().removesuffix("\r"))
        start = end + 1
    return header


def _check_utf8(code: bytes, line: str) -> None:
    """In pieces, between which other threads have their turn. Raises PackageError."""
    if code.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at in range(0, len(code), _PIECE):
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(code[at : at + _PIECE], final=at + _PIECE >= len(code))
        except UnicodeDecodeError as error:
            where = at - kept + error.start
            raise PackageError(Fault.NOT_UTF8, line, f"the contract is not UTF-8 at byte {where}") from None


def _split_version(header: list[str]) -> tuple[str | None, list[str]]:
    first = header[0].strip()
    return (first, header[1:]) if first.startswith("v") else (None, header)


def _runner_in(raw: bytes, line: str, what: str) -> dict[str, Any]:
    if len(raw) > MOST_HEADER:
        raise PackageError(Fault.MALFORMED, line, f"{what} is longer than {MOST_HEADER} bytes")
    return _runner(_utf8(raw, line, what), line)


def _runner(text: str, line: str) -> dict[str, Any]:
    try:
        runner = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise PackageError(Fault.MALFORMED, line, f"the runner is not JSON: {error}") from None
    if not isinstance(runner, dict):
        raise PackageError(Fault.MALFORMED, line, "the runner is not a JSON object")
    if "\\u" in text and not _is_unicode(runner):
        raise PackageError(Fault.MALFORMED, line, "the runner is not JSON: half of a character")
    return runner


def _is_unicode(value: object) -> bool:
    """Whether UTF-8 has a form for all its texts; escapes can spell halves of characters."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _zip_files(code: bytes, line: str, only: str | None = None) -> dict[str, bytes]:
    from genvm_wire import zip_package  # noqa: PLC0415 - see shape_of

    try:
        return zip_package.read(code, strict=LINE_RULES[line].strict_archives, only=only)
    except zip_package.ZipError as error:
        raise PackageError(Fault.MALFORMED, line, f"the ZIP archive is unusable: {error}") from None


def _parse_zip(code: bytes, line: str) -> ContractPackage:
    files = _zip_files(code, line)
    runner = _zip_runner(files, line)
    version = files.get("version")
    text = DEFAULT_VERSION[line] if version is None else _utf8(version, line, "the version file").strip()
    return ContractPackage(Shape.ZIP, text, runner, files)
