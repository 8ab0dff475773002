"""Contexts of the user's Docker client: chosen in its own order, and one line when they are not to be had."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from docker.errors import DockerException

from orchestrator.docker_context import BadContext, DockerContext, Tls, chosen_context
from orchestrator.engine_client import engine_address, engine_client

HOST = "unix:///run/user/1000/docker.sock"


def write_context(folder: Path, name: str, meta: Any) -> Path:
    directory = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    directory.mkdir(parents=True)
    (directory / "meta.json").write_text(json.dumps(meta))
    return directory


def endpoint(host: Any) -> dict[str, Any]:
    return {"Name": "mine", "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    write_context(tmp_path, "mine", endpoint(HOST))
    return tmp_path


@pytest.mark.parametrize(
    ("config", "environ", "chosen"),
    [
        pytest.param("{}", {}, None, id="none"),
        pytest.param('{"currentContext": "mine"}', {}, "mine", id="in use"),
        pytest.param('{"currentContext": "default"}', {}, None, id="the default"),
        pytest.param("{}", {"DOCKER_CONTEXT": "mine"}, "mine", id="in the environment"),
        pytest.param('{"currentContext": "x"}', {"DOCKER_CONTEXT": "mine"}, "mine", id="both"),
        pytest.param(
            '{"currentContext": "mine"}', {"DOCKER_CONTEXT": "default"}, None, id="back to the default"
        ),
        pytest.param(
            '{"currentContext": "mine"}', {"DOCKER_HOST": "tcp://h:1"}, None, id="a host comes first"
        ),
        pytest.param("[1]", {}, None, id="a configuration of another shape"),
        pytest.param('{"currentContext": 5}', {}, None, id="a context of another shape"),
    ],
)
def test_a_context_is_chosen_as_the_client_does(
    folder: Path, config: str, environ: dict[str, str], chosen: str | None
) -> None:
    (folder / "config.json").write_text(config)
    found = chosen_context({"DOCKER_CONFIG": str(folder), **environ})
    assert found == (None if chosen is None else DockerContext("mine", HOST))


def test_no_client_of_the_user_s_at_all(tmp_path: Path) -> None:
    assert chosen_context({"DOCKER_CONFIG": str(tmp_path / "none")}) is None


def test_a_user_without_a_home_has_chosen_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    assert chosen_context({}) is None


def test_its_engine_is_the_one_that_is_asked_and_protected(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.json").write_text('{"currentContext": "mine"}')
    assert engine_address(None).endswith("/run/user/1000/docker.sock")
    assert engine_address("unix:///other.sock").endswith("/other.sock")
    monkeypatch.setenv("DOCKER_HOST", "unix:///third.sock")
    assert engine_address(None).endswith("/third.sock")


@pytest.mark.parametrize(
    "meta",
    [
        {},
        [],
        {"Endpoints": {}},
        {"Endpoints": {"docker": {}}},
        {"Endpoints": {"docker": None}},
        endpoint(5),
        endpoint(""),
    ],
    ids=str,
)
def test_one_that_is_not_to_be_had_is_one_line_with_its_name(folder: Path, meta: Any) -> None:
    write_context(folder, "other", meta)
    for name in ("other", "absent"):
        (folder / "config.json").write_text(json.dumps({"currentContext": name}))
        with pytest.raises(BadContext, match=name):
            chosen_context()
        with pytest.raises(DockerException) as refused:
            engine_client(None)
        assert "\n" not in str(refused.value) and name in str(refused.value)


def test_keys_of_a_context_go_with_it(folder: Path) -> None:
    meta = write_context(folder, "far", endpoint("tcp://engine.example:2376"))
    keys = folder / "contexts" / "tls" / meta.name / "docker"
    keys.mkdir(parents=True)
    for file in ("ca.pem", "cert.pem", "key.pem"):
        (keys / file).write_text("")
    found = chosen_context({"DOCKER_CONFIG": str(folder), "DOCKER_CONTEXT": "far"})
    assert found is not None
    assert found.tls == Tls(str(keys / "ca.pem"), (str(keys / "cert.pem"), str(keys / "key.pem")))
