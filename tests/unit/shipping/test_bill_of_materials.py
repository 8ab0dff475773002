"""What is in an image is found in its layers, and said in CycloneDX's words."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from images.shipping.inventory import DebianDatabase, DebianPackage, PythonPackage, take_inventory

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u13
Maintainer: GNU Libc Maintainers <libc@example.org>

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: apart
Status: install ok installed
Architecture: all
Source: other (3.4)
Version: 3.4-1+b2

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13
"""
METADATA = """\
Metadata-Version: 2.4
Name: Some_Thing
Version: 1.2
Summary: does things
License-Expression: MIT

Name: not a field
"""
DIGEST = "sha256:" + "ab" * 32

BASE = {
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/info/libc6:amd64.list": "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n",
    "var/lib/dpkg/info/apart.list": "/lib\n/usr/share/apart\n/usr/share/apart/data\n",
    "var/lib/dpkg/info/gone.list": "/etc/gone.conf\n",
    "var/lib/dpkg/info/zlib1g:amd64.list": "/usr/lib/libz.so.1\n",
    "usr/lib/x86_64-linux-gnu/libc.so.6": "",
    "usr/share/apart/data": "",
    "usr/lib/libz.so.1": "",
    "etc/gone.conf": "",
}
OURS = {
    "opt/genvm/lib/some_thing-1.2.dist-info/METADATA": METADATA,
    "opt/genvm/lib/cpython/python-3.12.0.wasm": "",
}


def layer(folder: Path, name: str, files: dict[str, str]) -> Path:
    target = folder / name
    with tarfile.open(target, "w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return target


def test_packages_are_those_of_which_there_is_a_file(tmp_path: Path) -> None:
    removal = {"var/lib/.wh.dpkg": "", "usr/share/apart/.wh..wh..opq": "", "usr/lib/.wh.libz.so.1": ""}
    found = take_inventory(
        [layer(tmp_path, "a", BASE), layer(tmp_path, "b", OURS), layer(tmp_path, "c", removal)]
    )
    assert found.debian == (
        DebianPackage(
            "libc6", "2.36-9+deb12u13", "amd64", "glibc@2.36-9+deb12u13",
            "GNU Libc Maintainers <libc@example.org>",
        ),
    )  # fmt: skip
    assert found.python == (PythonPackage("Some_Thing", "1.2", "MIT", "does things"),)
    assert found.wasi == ("3.12.0",)
    assert "usr/lib/libz.so.1" not in found.files


def test_an_image_of_picked_files_is_known_by_the_image_that_they_are_from(tmp_path: Path) -> None:
    base = take_inventory([layer(tmp_path, "a", BASE)])
    picked = layer(tmp_path, "b", {"usr/share/apart/data": ""})
    assert take_inventory([picked]).debian == ()
    assert [one.name for one in take_inventory([picked], base.database).debian] == ["apart"]
    assert take_inventory([picked], DebianDatabase()).debian == ()
    linked = layer(tmp_path, "c", {"lib": "", "usr/lib/libz.so.1": ""})
    assert [one.name for one in take_inventory([linked], base.database).debian] == ["zlib1g"]


def test_a_distribution_that_a_later_layer_takes_away_is_not_there(tmp_path: Path) -> None:
    removal = {"opt/genvm/lib/.wh.some_thing-1.2.dist-info": ""}
    found = take_inventory([layer(tmp_path, "a", OURS), layer(tmp_path, "b", removal)])
    assert found.python == ()


@pytest.fixture
def bill(tmp_path: Path) -> dict[str, Any]:
    return json.loads(text_of(tmp_path))  # type: ignore[no-any-return]


def text_of(tmp_path: Path, environment: dict[str, str] | None = None) -> str:
    from images.shipping.bill_of_materials import bill_of

    layers = [layer(tmp_path, "a", BASE), layer(tmp_path, "b", OURS)]
    return bill_of("genvm-thing", "9.9", DIGEST, take_inventory(layers), environment or {})


def test_a_bill_names_the_image_and_each_part_by_where_it_is_from(bill: dict[str, Any]) -> None:
    whole = bill["metadata"]["component"]
    assert (whole["type"], whole["name"], whole["version"]) == ("container", "genvm-thing", "9.9")
    assert whole["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert {part["purl"] for part in bill["components"]} == {
        "pkg:deb/debian/apart@3.4-1%2Bb2?arch=all",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64",
        "pkg:deb/debian/zlib1g@1:1.2.13?arch=amd64",
        "pkg:generic/cpython-wasi@3.12.0",
        "pkg:pypi/some-thing@1.2",
    }
    sources = [part["properties"][0]["value"] for part in bill["components"] if part["name"] == "apart"]
    assert sources == ["other@3.4"]


def test_a_python_that_is_not_debians_is_named_as_well(tmp_path: Path) -> None:
    assert "pkg:generic/cpython@3.11.9" in text_of(tmp_path, {"PYTHON_VERSION": "3.11.9"})


def test_the_same_image_has_the_same_bill_and_it_keeps_to_the_schema(tmp_path: Path) -> None:
    from images.shipping.bill_of_materials import problem_of

    text = text_of(tmp_path)
    assert text_of(tmp_path) == text
    assert problem_of(text) is None
    broken = json.loads(text)
    broken["components"][0]["type"] = "no such type"
    assert "no such type" in str(problem_of(json.dumps(broken)))
