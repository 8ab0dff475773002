"""`make audit` meets real advisories in a copy of the database, and answers of an index that has none."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from images.advisories import findings, main, pinned

ROOT = Path(__file__).resolve().parents[3]
AUDIT = ROOT / "images" / "audit.sh"
DATABASE = Path(__file__).with_name("advisories")


@pytest.mark.parametrize(
    ("package", "version", "known"),
    [
        pytest.param("pip", "23.2.1", ["PYSEC-2023-228"], id="named, and in a range"),
        pytest.param("pip", "23.2.1.post1", ["PYSEC-2023-228"], id="in a range"),
        pytest.param("pip", "23.3", [], id="fixed"),
        pytest.param("pip", "26.1", [], id="later"),
        pytest.param("redis", "4.2.0", ["PYSEC-2023-45"], id="the first of several ranges"),
        pytest.param("redis", "4.3.6", [], id="between two"),
        pytest.param("redis", "4.5.2", ["PYSEC-2023-45"], id="the last"),
        pytest.param("redis", "3.5.3", [], id="before all, and withdrawn"),
        pytest.param("py", "1.11.0", ["PYSEC-2022-42969"], id="the last that has it"),
        pytest.param("py", "1.11.1", [], id="after that"),
        pytest.param("jw-util", "2.2", ["PYSEC-2020-341"], id="a folder under another name"),
        pytest.param("aiohttp", "3.14.5", [], id="unknown"),
    ],
)
def test_a_version_is_found_where_an_advisory_holds(package: str, version: str, known: list[str]) -> None:
    assert [one.names[0] for one in findings(DATABASE, package, version)] == known


def test_every_package_of_every_lock_is_asked_about() -> None:
    locks = [*ROOT.glob("*.lock"), *ROOT.glob("images/*.lock"), *ROOT.glob("images/*/requirements.lock")]
    assert len(locks) > 5
    for lock in locks:
        text = lock.read_text("utf-8")
        entries = [line for line in text.splitlines() if line[:1] not in ("", " ", "#", "-")]
        assert len(pinned(text)) == len(entries) > 0, lock


def test_what_is_known_is_said_with_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text("pip==23.2 \\\n    --hash=sha256:00\nRedis[hiredis]==4.5.1 ; python_version > '3'\n")
    assert main([str(DATABASE), str(lock)]) == 1
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"{lock}: 2 packages, 2 known vulnerabilities",
        "  pip 23.2: PYSEC-2023-228, CVE-2023-5752; fixed in 23.3",
        "  redis 4.5.1: PYSEC-2023-45, CVE-2023-28858; fixed in 4.3.6, 4.4.3, 4.5.3",
    ]


@pytest.mark.parametrize(("folder", "code"), [(DATABASE, 0), (ROOT / "docs", 3)], ids=["database", "none"])
def test_the_command_takes_a_copy_where_it_is_told_of_one(folder: Path, code: int) -> None:
    environment = os.environ | {"GENVM_ADVISORIES": str(folder)}
    ended = subprocess.run([AUDIT], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert ("newest advisory is of 2023-11-03" in ended.stdout) == (code == 0)
    assert ("not checked" in ended.stderr) == (code == 3)


class Index(BaseHTTPRequestHandler):
    """A proxy in whose tunnel pypi.org answers, as a mirror of packages does."""

    server: Server

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        outside = self.rfile, self.wfile
        with (
            self.server.context.wrap_socket(self.connection, server_side=True) as inside,
            inside.makefile("rb") as self.rfile,
            inside.makefile("wb") as self.wfile,
        ):
            self.handle_one_request()
        self.rfile, self.wfile = outside
        self.close_connection = True

    def do_GET(self) -> None:
        assert self.path == "/pypi/pip/23.2/json"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer).encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    answer: Any
    context: ssl.SSLContext


@contextmanager
def index(answer: Any, folder: Path) -> Iterator[dict[str, str]]:
    """The variables with which a program finds it in the place of pypi.org."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    with Server(("127.0.0.1", 0), Index) as server:
        server.answer, server.context = answer, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("pypi.org").configure_cert(server.context)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield {
            "https_proxy": f"http://127.0.0.1:{server.server_port}",
            "no_proxy": "",
            "SSL_CERT_FILE": str(folder / "authority.pem"),
        }
        server.shutdown()
        serving.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"info": {}}, id="without advisories"),
        pytest.param({"info": {}, "vulnerabilities": []}, id="with an empty list"),
        pytest.param({"info": {}, "vulnerabilities": [{"id": "PYSEC-0000-1"}]}, id="with another"),
    ],
)
def test_an_index_that_does_not_know_what_all_know_is_not_believed(answer: Any, tmp_path: Path) -> None:
    """Of pip 23.2 there is an advisory: where it is missing, nothing that is found missing says anything."""
    with index(answer, tmp_path) as variables:
        environment = os.environ | {"GENVM_ADVISORIES": ""} | variables
        ended = subprocess.run([AUDIT], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.startswith("PYSEC-2023-228 of pip 23.2 is not among them\nnot checked: "), (
        ended.stderr
    )
