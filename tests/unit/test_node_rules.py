"""What the manager itself is a client of is nobody's node, however the settings write it."""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)


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
