"""What the manager itself is a client of is nobody's node, however the settings write it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.hosts import HostRefused, TcpHost
from orchestrator.executions.node_networks import literal
from orchestrator.node_rules import node_dialler
from orchestrator.settings import Settings
from orchestrator.store.database_places import DatabasePlaces, database_places

LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGSERVICEFILE", "PGPASSWORD", "PGAPPNAME")
UNREADABLE = ("/genvm?host=::1&host=::2", "/genvm?conninfo=zzz", "/genvm?conninfo=a&conninfo=b")
COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOCKER_HOST", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", *COLLECTORS, *LIBPQ):
        monkeypatch.delenv(name, raising=False)


def refused(dialler: NodeDialler, name: str, port: int) -> bool:
    address = literal(name)
    assert address is not None
    try:
        dialler.networks.judge(TcpHost(name, port), address)
    except HostRefused:
        return True
    return False


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    diallers = []

    def make(**changes: Any) -> NodeDialler:
        diallers.append(node_dialler(Settings(state_dir=tmp_path / "state", **changes)))
        return diallers[-1]

    yield make
    for one in diallers:
        one.close()


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:4243", "tcp://:4243", ":4243", "https://localhost:4243/x"])
def test_an_engine_is_refused_however_its_address_is_written(
    made: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    by_setting = made(docker_url=url)
    monkeypatch.setenv("DOCKER_HOST", url)
    for dialler in (by_setting, made()):
        assert refused(dialler, "127.0.0.1", 4243)
        assert refused(dialler, "127.8.8.8", 4243)
        assert not refused(dialler, "127.0.0.1", 4244)


@pytest.mark.parametrize("url", ["nonsense", "http://[::", "ftp://x"])
def test_an_address_that_is_none_leaves_the_usual_rules(made: Any, url: str) -> None:
    assert not refused(made(docker_url=url), "127.0.0.1", 4243)


def test_the_journals_database_is_refused(made: Any) -> None:
    dialler = made(database_url=SecretStr("postgresql+psycopg://genvm:secret@127.0.0.1:6543/genvm"))
    assert refused(dialler, "127.0.0.1", 6543)
    assert not refused(dialler, "127.0.0.1", 5432)
    assert refused(made(database_url=SecretStr("postgresql+psycopg://10.9.8.7/genvm")), "10.9.8.7", 5432)


def of_database(url: str) -> dict[str, SecretStr]:
    return {"database_url": SecretStr(f"postgresql+psycopg://genvm@{url}")}


@pytest.mark.parametrize(
    ("url", "places"),
    [
        ("/genvm?host=10.1.2.3&port=6432", ["10.1.2.3:6432"]),
        ("10.1.2.3/genvm?port=6432", ["10.1.2.3:6432"]),
        ("/genvm?host=10.1.2.3:6432&host=10.1.2.4:6433", ["10.1.2.3:6432", "10.1.2.4:6433"]),
        ("/genvm?host=10.1.2.3,10.1.2.4&port=1,2", ["10.1.2.3:1", "10.1.2.4:2"]),
        ("/genvm?host=10.1.2.3,10.1.2.4&port=,7", ["10.1.2.3:5432", "10.1.2.4:7"]),
        ("10.1.2.3,10.1.2.4/genvm?port=9", ["10.1.2.3:9", "10.1.2.4:9"]),
        ("10.1.2.4/genvm?hostaddr=10.1.2.3", ["10.1.2.3:5432", "10.1.2.4:5432"]),
        ("/genvm?hostaddr=10.1.2.3,10.1.2.4&port=6", ["10.1.2.3:6", "10.1.2.4:6"]),
        ("/genvm?host=/run/genvm-pg,10.1.2.3", ["127.0.0.1:5432", "10.1.2.3:5432"]),
        ("/genvm", ["127.0.0.1:5432"]),
        ("10.1.2.3:6432/genvm?autocommit=true", ["10.1.2.3:6432"]),
        ("10.1.2.3/genvm?prepare_threshold=5&row_factory=a&cursor_factory=b&context=c", ["10.1.2.3:5432"]),
        ("10.1.2.3/genvm?plugins=none", ["10.1.2.3:5432"]),
        ("/genvm?conninfo=host%3D10.1.2.3%20port%3D6432", ["10.1.2.3:6432"]),
    ],
)
def test_the_journals_database_is_refused_however_its_url_is_written(
    made: Any, url: str, places: list[str]
) -> None:
    dialler = made(**of_database(url))
    for place in places:
        name, _, port = place.partition(":")
        assert refused(dialler, name, int(port)), place
        assert not refused(dialler, name, 6000)


def test_what_the_url_of_the_database_leaves_out_is_the_environments(
    made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PGHOST", "10.1.2.3")
    monkeypatch.setenv("PGPORT", "6432")
    assert refused(made(**of_database("/genvm")), "10.1.2.3", 6432)
    assert refused(made(**of_database("10.1.2.4/genvm")), "10.1.2.4", 6432)
    monkeypatch.setenv("PGHOSTADDR", "10.1.2.5")
    assert refused(made(**of_database("/genvm")), "10.1.2.5", 6432)
    for name in LIBPQ:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "services").write_text("[journal]\nhost=10.1.2.6\nport=7432\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    assert refused(made(**of_database("/genvm?service=journal")), "10.1.2.6", 7432)


@pytest.mark.parametrize("name", ["PGPASSWORD", "PGAPPNAME", "PGHOST"])
def test_no_value_in_the_environment_ends_the_reading_of_a_databases_places(
    made: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, os.fsdecode(b"\xe9"))
    made(**of_database("/genvm"))
    assert refused(made(**of_database("10.1.2.3:6432/genvm")), "10.1.2.3", 6432)


@pytest.mark.parametrize("port", ["abc", "0", "65536", "9" * 30, "9" * 5000, " "])
def test_a_port_that_is_none_is_left_to_the_journal_to_tell(
    made: Any, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("PGPORT", port)
    assert not refused(made(**of_database("10.1.2.3/genvm")), "10.1.2.3", 5432)
    assert refused(made(**of_database("10.1.2.3:6432/genvm")), "10.1.2.3", 6432)
    # Of several servers the others are reached nevertheless.
    monkeypatch.setenv("PGPORT", f"7432,{port}")
    monkeypatch.setenv("PGHOST", "10.1.2.3,10.1.2.4")
    assert refused(made(**of_database("/genvm")), "10.1.2.3", 7432)


def test_a_port_is_the_same_however_libpq_lets_it_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (" 6432 ", "+6432", "06432"):
        monkeypatch.setenv("PGPORT", text)
        places = database_places("postgresql+psycopg:///genvm?host=/run/genvm-pg")
        assert places == DatabasePlaces((("localhost", 6432),), ("/run/genvm-pg/.s.PGSQL.6432",))


def test_nothing_is_dialled_to_read_a_databases_places() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        for rest in ("", "?application_name=%00", "?autocommit=true", "?target_session_attrs=any"):
            places = database_places(f"postgresql+psycopg://127.0.0.1:{port}/genvm{rest}")
            assert places.endpoints == (("127.0.0.1", port),), rest
            with pytest.raises(BlockingIOError):
                listening.accept()


def test_the_databases_socket_may_be_where_the_environment_says_in_any_bytes(
    made: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / os.fsdecode(b"\xe9")
    folder.mkdir()
    monkeypatch.setenv("PGHOST", str(folder))
    dialler = made(**of_database("/genvm"), node_sockets=str(tmp_path))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.fsencode(folder / ".s.PGSQL.5432"))
        listening.listen()
        os.link(folder / ".s.PGSQL.5432", tmp_path / "node")
        with pytest.raises(HostRefused, match="another service's"):
            asyncio.run(dialler.look(f"unix://{tmp_path}/node"))


def test_the_databases_socket_is_no_nodes_under_any_name(made: Any, tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    dialler = made(**of_database(f"/genvm?host={folder}&port=6432"), node_sockets=str(tmp_path))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / ".s.PGSQL.6432"))
        listening.listen()
        os.link(folder / ".s.PGSQL.6432", tmp_path / "node")
        with pytest.raises(HostRefused, match="another service's"):
            asyncio.run(dialler.look(f"unix://{tmp_path}/node"))


@pytest.mark.parametrize(
    "url", ["10.1.2.3/genvm?nonsense=1", "/genvm?host=10.1.2.3,b&port=1,2,3", *UNREADABLE]
)
def test_a_url_that_opens_no_journal_leaves_the_usual_rules(made: Any, url: str) -> None:
    assert not refused(made(**of_database(url)), "10.9.9.9", 5432)


@pytest.mark.parametrize(
    ("server", "port"), [("https://10.9.8.7:6443", 6443), ("https://10.9.8.7", 443), ("http://10.9.8.7/", 80)]
)
def test_the_clusters_api_server_is_refused(made: Any, server: str, port: int) -> None:
    dialler = made(kubernetes_server=server)
    assert refused(dialler, "10.9.8.7", port)
    assert not refused(dialler, "10.9.8.7", port + 1)
    assert not refused(dialler, "10.9.8.8", port)


def test_a_pods_own_cluster_is_refused(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert refused(made(), "10.96.0.1", 443)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00:10::1")
    assert refused(made(), "fd00:10::1", 443)
    for port in ("9" * 30, "9" * 5000, "tcp://10.96.0.1:443", ""):
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        assert not refused(made(), "fd00:10::1", 443), port


def test_the_collector_of_traces_is_refused(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not refused(made(), "127.0.0.1", 4318)
    assert refused(made(traces=True), "127.0.0.1", 4318)
    for name, port in reversed(list(zip(COLLECTORS, (4001, 4002), strict=True))):
        monkeypatch.setenv(name, f"http://10.9.8.7:{port}")
        assert refused(made(traces=True), "10.9.8.7", port)
        assert not refused(made(), "10.9.8.7", port)
    dialler = made(traces=True, traces_url="https://10.9.8.7/v1/traces")
    assert refused(dialler, "10.9.8.7", 443)
    assert not refused(dialler, "10.9.8.7", 4001)


def test_where_other_managers_reach_this_one_is_refused(made: Any, tmp_path: Path) -> None:
    among_others = {
        "database_url": SecretStr("postgresql+psycopg://10.9.8.7/genvm"),
        "cluster_secret_file": tmp_path / "secret",
    }
    assert refused(made(cluster_address="http://10.9.8.6:8080", **among_others), "10.9.8.6", 8080)


def test_what_leads_to_the_manager_from_elsewhere_is_refused(made: Any) -> None:
    dialler = made(reached_at="10.96.0.7:80,[fd00:10::7]:3999,localhost:8080")
    for name, port in (("10.96.0.7", 80), ("fd00:10::7", 3999), ("127.0.0.1", 8080)):
        assert refused(dialler, name, port)
        assert not refused(dialler, name, port + 1)


def test_the_managers_port_is_refused_at_addresses_that_it_was_told_are_its_machines(made: Any) -> None:
    dialler = made(own_addresses="10.1.2.0/24")
    assert not refused(dialler, "10.1.2.3", 3999)
    dialler.networks.own.add(3999)
    assert refused(dialler, "10.1.2.3", 3999)
    assert not refused(dialler, "10.1.3.3", 3999)


@pytest.mark.parametrize("text", ["genvm", "http://genvm:80", "genvm:", "fd00::7:80"])
def test_where_the_manager_is_reached_has_a_port(text: str) -> None:
    with pytest.raises(ValueError, match="reached_at"):
        Settings(reached_at=text)
