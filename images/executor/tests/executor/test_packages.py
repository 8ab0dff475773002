"""Contracts that come as archives with a runner of their own (contract-runtime 2.2 to 2.4)."""

from __future__ import annotations

import io
import json
import zipfile

from .chain import Chain

DEPENDS = {"Depends": "py-genlayer:test"}
CONTRACT = """
from genlayer import *
{imports}


class C(gl.Contract):
    count: u256

    @gl.public.write
    def go(self) -> str:
        self.count += 1
        return f"{{__name__}} {{__file__}} {{{value}}}"
"""


def archive(runner: object, files: dict[str, str]) -> bytes:
    """A package: its runner, and text by path."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as package:
        package.writestr("version", "v0.1.0\n")
        package.writestr("runner.json", json.dumps(runner))
        for path, text in files.items():
            package.writestr(path, text)
    return out.getvalue()


def test_a_package_of_several_modules(chain: Chain) -> None:
    files = {
        "contract/__init__.py": CONTRACT.format(imports="from .prices import PRICE", value="PRICE"),
        "contract/prices.py": "from contract.more import base\nPRICE = base.BASE + 2\n",
        "contract/more/__init__.py": "",
        "contract/more/base.py": "BASE = 40\n",
    }
    chain.deploy(archive({"Depends": "py-genlayer-multi:test"}, files))
    assert chain.call("go") == "contract /contract/__init__.py 42"


def test_a_runner_maps_what_it_likes(chain: Chain) -> None:
    seq = [{"MapFile": {"file": "lib/", "to": "/helpers/"}}, DEPENDS]
    files = {
        "file": CONTRACT.format(imports="from helpers import one", value="one.ONE"),
        "lib/__init__.py": "",
        "lib/one.py": "ONE = 1\n",
    }
    chain.deploy(archive({"Seq": seq}, files))
    assert chain.call("go") == "contract /contract.py 1"


def test_a_package_goes_before_a_file(chain: Chain) -> None:
    seq = [{"MapFile": {"file": "contract/", "to": "/contract/"}}, DEPENDS]
    files = {
        "file": CONTRACT.format(imports="", value="'file'"),
        "contract/__init__.py": CONTRACT.format(imports="", value="'package'"),
    }
    chain.deploy(archive({"Seq": seq}, files))
    assert chain.call("go") == "contract /contract/__init__.py package"


def test_a_folder_that_is_no_package_does_not_hide_the_file(chain: Chain) -> None:
    seq = [{"MapFile": {"file": "data/", "to": "/contract/"}}, DEPENDS]
    files = {
        "file": CONTRACT.format(imports="", value="open('/contract/notes.txt').read()"),
        "data/notes.txt": "data",
    }
    chain.deploy(archive({"Seq": seq}, files))
    assert chain.call("go") == "contract /contract.py data"
