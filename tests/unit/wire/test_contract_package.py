"""Contract packages (contract-runtime 2.1, 2.2)."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from genvm_wire.contract_package import MOST_HEADER, PackageError, Shape, parse, version_text
from genvm_wire.wasm_sections import MOST_SECTIONS
from genvm_wire.zip_package import MOST_MEMBERS

WASM = b"\0asm\x01\0\0\0"
RUNNER = '{"Depends": "py-genlayer:test"}'


def zipped(files: dict[str, str], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def custom(name: bytes, content: bytes) -> bytes:
    body = bytes((len(name),)) + name + content
    return bytes((0, len(body))) + body


@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_text_with_a_version_line(line: str) -> None:
    package = parse(b'# v0.2.0\n# { "Depends": "py-genlayer:test" }\nimport genlayer\n', line)
    assert package.shape is Shape.TEXT
    assert package.version == "v0.2.0"
    assert package.runner == {"Depends": "py-genlayer:test"}
    assert list(package.files) == ["file"]


@pytest.mark.parametrize(("line", "version"), [("v0.2", "v0.1.0"), ("v0.3", "v0.0.0")])
def test_text_without_a_version_line_has_the_default(line: str, version: str) -> None:
    assert parse(f"# {RUNNER}\n".encode(), line).version == version


@pytest.mark.parametrize("marker", ["//", "#", "--"])
def test_every_comment_marker_works(marker: str) -> None:
    code = f'{marker} v1.0.0\n{marker} {{\n{marker}  "Depends": "a:b"\n{marker} }}\n\n{marker} not json\n'
    assert parse(code.encode(), "v0.2").runner == {"Depends": "a:b"}


def test_windows_line_ends_are_tolerated() -> None:
    assert parse(f"# v0.2.0\r\n# {RUNNER}\r\npass\r\n".encode(), "v0.2").version == "v0.2.0"


@pytest.mark.parametrize(
    ("code", "v02", "v03"),
    [
        pytest.param(b"", "absent_runner_comment", "runner absent", id="empty"),
        pytest.param(b"print(1)", "absent_runner_comment", "runner absent", id="no comment"),
        pytest.param(b"\n# {}", "absent_runner_comment", "runner absent", id="comment not at the start"),
        pytest.param(b"# {}\xff", "not_utf8_text", "not_utf8_text", id="not utf-8"),
        pytest.param(b"# hello", "", "runner malformed", id="not json"),
        pytest.param(b"#!/usr/bin/python\n# {}", "", "runner malformed", id="shebang"),
        pytest.param(b"# v0.2.0\n", "", "runner malformed", id="no json at all"),
        pytest.param(b"# []", "", "runner malformed", id="json that is no object"),
        pytest.param(b'# {"a": NaN}', "", "runner malformed", id="nan"),
        pytest.param(b"# " + b"[" * 100_000, "", "runner malformed", id="json that is too deep"),
        pytest.param(b"# " + b"9" * 10_000, "", "runner malformed", id="json number that is too long"),
    ],
)
def test_bad_text_ends_in_the_vm_error_of_its_line(code: bytes, v02: str, v03: str) -> None:
    for line, suffix in (("v0.2", v02), ("v0.3", v03)):
        with pytest.raises(PackageError) as caught:
            parse(code, line)
        assert caught.value.vm_error == f"invalid_contract {suffix}".strip()


def test_wasm_runs_itself_and_names_its_version_in_a_section() -> None:
    code = (
        WASM + custom(b"other", b"x") + custom(b"genvm.version", b"v0.2.1") + custom(b"genvm.version", b"v9")
    )
    package = parse(code, "v0.2")
    assert (package.shape, package.version) == (Shape.WASM, "v0.2.1")
    assert package.runner == {"StartWasm": "file"}
    assert package.files == {"file": code}


@pytest.mark.parametrize("tail", [b"", b"\0", b"\0\xff\xff\xff\xff\xff", b"\0\x05\x0dgenv"])
def test_damaged_wasm_has_the_default_version(tail: bytes) -> None:
    assert parse(WASM + tail, "v0.2").version == "v0.1.0"


def test_zip_holds_version_runner_and_files() -> None:
    package = parse(
        zipped({"version": "v0.2.3\n", "runner.json": RUNNER, "contract/__init__.py": "x"}), "v0.2"
    )
    assert (package.shape, package.version) == (Shape.ZIP, "v0.2.3")
    assert package.files["contract/__init__.py"] == b"x"


def test_zip_is_tried_before_text() -> None:
    assert parse(f"# {RUNNER}\n".encode() + zipped({"runner.json": RUNNER}), "v0.2").shape is Shape.ZIP


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_last_of_equal_names_wins() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("runner.json", '{"StartWasm": "a"}')
        archive.writestr("runner.json", '{"StartWasm": "b"}')
    assert parse(buffer.getvalue(), "v0.3").runner == {"StartWasm": "b"}


def overlapping() -> bytes:
    """A thousand directory entries that all stand for the same kilobyte."""
    whole = zipped({"runner.json": " " * 1000 + RUNNER})
    start = whole.index(b"PK\x01\x02")
    end = whole.index(b"PK\x05\x06")
    entry = whole[start:end]
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1000, 1000, len(entry) * 1000, start, 0)
    return whole[:start] + entry * 1000 + tail


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(zipped({"a": "b"}), id="no runner.json"),
        pytest.param(zipped({"runner.json": RUNNER}, zipfile.ZIP_DEFLATED), id="compressed"),
        pytest.param(zipped({"runner.json": RUNNER}).replace(b"Depends", b"depends"), id="wrong checksum"),
        pytest.param(overlapping(), id="overlapping members"),
    ],
)
@pytest.mark.parametrize("line", ["v0.2", "v0.3"])
def test_bad_archives_are_invalid_contracts(code: bytes, line: str) -> None:
    with pytest.raises(PackageError) as caught:
        parse(code, line)
    assert caught.value.vm_error in {"invalid_contract", "invalid_contract runner malformed"}


@pytest.mark.parametrize("name", ["/abs", "a//b", "../up", "a/./b", "a\\b"])
def test_v03_refuses_names_that_leave_the_package(name: str) -> None:
    with pytest.raises(PackageError):
        parse(zipped({"runner.json": RUNNER, name: ""}), "v0.3")


def test_v03_refuses_headers_that_disagree() -> None:
    code = zipped({"runner.json": RUNNER})
    with pytest.raises(PackageError, match="disagree"):
        parse(code.replace(b"runner.json", b"Runner.json", 1), "v0.3")


def test_an_archive_without_a_version_fits_any() -> None:
    assert version_text(zipped({"a": "b"}), "v0.2") == "v*.*.*"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (b"# v0.2.0\n" + b"#ab\n" * (MOST_HEADER // 4), "the header is longer than"),
        (b'# v0.2.0\n# {"a": [' + b"[]," * (MOST_HEADER // 3) + b"0]}", "the header is longer than"),
        (zipped({"runner.json": f'{{"Depends": "{"a" * MOST_HEADER}"}}'}), "runner.json is longer than"),
        (zipped(dict.fromkeys(map(str, range(MOST_MEMBERS + 1)), "")), "more than 10000 members"),
    ],
    ids=["lines", "a runner of lists", "an archive's runner", "members"],
)
def test_what_takes_long_to_take_apart_is_not_taken_apart(code: bytes, why: str) -> None:
    with pytest.raises(PackageError, match=why):
        parse(code, "v0.2")


def test_a_module_s_sections_are_looked_at_to_a_bound() -> None:
    version = custom(b"genvm.version", b"v1.0.0")
    for sections, seen in ((MOST_SECTIONS - 1, "v1.0.0"), (MOST_SECTIONS, "v0.1.0")):
        assert version_text(WASM + b"\1\0" * sections + version, "v0.2") == seen


def test_code_is_looked_through_piece_by_piece_for_what_is_not_utf8() -> None:
    text = "# é".encode() + "ж".encode() * (1 << 20)
    for code in (text + b"\xd0", text + b"\xff" + text):
        with pytest.raises(PackageError, match=f"not UTF-8 at byte {len(text)}"):
            parse(code, "v0.2")


def test_half_a_character_in_a_runner_is_no_json() -> None:
    """Environment, arguments and paths have no form for it."""
    with pytest.raises(PackageError, match="half of a character"):
        parse(b'# {"Seq": [{"AddEnv": {"name": "A", "val": "\\ud800"}}]}\n', "v0.2")
    assert parse(b'# {"AddEnv": {"name": "A", "val": "\\ud83d\\ude00"}}\n', "v0.2").runner
