"""An engine behind TLS is never spoken to in plain text, whichever of the user's files there are."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
from docker.errors import DockerException

from orchestrator.engine_client import engine_client


class Engine(BaseHTTPRequestHandler):
    """Says which version it is, which is all that a new client asks."""

    def do_GET(self) -> None:
        body = b'{"ApiVersion": "1.41"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


class Listener(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who does not trust it hangs up in the middle."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def engine(authority: trustme.CA, *, asks_who: bool = False) -> Iterator[str]:
    """Its address."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    if asks_who:
        authority.configure_trust(tls)
        tls.verify_mode = ssl.CERT_REQUIRED
    server = Listener(("127.0.0.1", 0), Engine)
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    serving = Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "others.pem").write_bytes(trustme.CA().cert_pem.bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "others.pem"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    return tmp_path


def write_files(folder: Path, authority: trustme.CA | None, own: trustme.LeafCert | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if authority is not None:
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    if own is not None:
        own.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        own.private_key_pem.write_to_path(str(folder / "key.pem"))


def write_context(folder: Path, host: str, *, unverified: bool = False) -> Path:
    """Where its keys go."""
    identity = hashlib.sha256(b"far").hexdigest()
    meta = folder / "contexts" / "meta" / identity
    meta.mkdir(parents=True)
    found = {"Endpoints": {"docker": {"Host": host, "SkipTLSVerify": unverified}}}
    (meta / "meta.json").write_text(json.dumps(found))
    return folder / "contexts" / "tls" / identity / "docker"


@dataclass(frozen=True)
class Case:
    """Whose authority the context knows, and what else; `asks_who`: the engine wants a certificate."""

    knows: str
    works: bool
    pair: bool = False
    unverified: bool = False
    asks_who: bool = False


CASES = {
    "its authority alone": Case("its", True),
    "another authority": Case("another", False),
    "its authority and a pair": Case("its", True, pair=True, asks_who=True),
    "no pair where it asks for one": Case("its", False, asks_who=True),
    "a pair, and an authority that nobody knows": Case("none", False, pair=True, asks_who=True),
    "a pair, unverified": Case("none", True, pair=True, unverified=True, asks_who=True),
    "no files, unverified": Case("none", True, unverified=True),
}


def trusted(authority: trustme.CA, knows: str) -> trustme.CA | None:
    return {"its": authority, "another": trustme.CA(), "none": None}[knows]


def assert_asked(*, works: bool) -> None:
    if works:
        engine_client(None, timeout=30).close()
    else:
        with pytest.raises(DockerException):
            engine_client(None, timeout=30)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_context_s_files_are_used_as_far_as_they_are_there(
    folder: Path, authority: trustme.CA, case: Case
) -> None:
    with engine(authority, asks_who=case.asks_who) as host:
        keys = write_context(folder, host, unverified=case.unverified)
        own = authority.issue_cert("me") if case.pair else None
        write_files(keys, trusted(authority, case.knows), own)
        assert_asked(works=case.works)


@pytest.mark.parametrize(("knows", "works"), [("its", True), ("another", False), ("none", False)])
def test_the_environment_s_authority_is_enough(
    folder: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, knows: str, works: bool
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    write_files(folder, trusted(authority, knows), None)
    with engine(authority) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        assert_asked(works=works)
