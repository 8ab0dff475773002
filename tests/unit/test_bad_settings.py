"""Settings that cannot be read, and a journal that cannot be opened, are one line; never a traceback."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.settings import Settings, misspelt
from orchestrator.settings.about import Unit
from orchestrator.settings.effective import READABLE


def refusal(code: int, *command: str, **settings: str) -> str:
    """The one line of a command that ends with `code`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", *command],
        env=environment | {"GENVM_LOG_FORMAT": "text"} | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, ""), ended
    [line] = ended.stderr.splitlines()
    assert line.startswith("genvm-orchestrator: ")
    return line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"port: [1\n", "line 2: this is not YAML"),
        (b"port: \t}\n", "this is not YAML"),
        (b"[" * 5000, "this is not YAML"),
        (b"- 1\n", "`name: value`"),
        (b"port\n", "`name: value`"),
        (b"\xff\xfe", "not UTF-8"),
        (b"prot: 3999\n", "there is no setting 'prot': is port meant?"),
        (b"GENVM_TOKENS_FILE: /etc/genvm/tokens\n", "'GENVM_TOKENS_FILE': is tokens_file meant?"),
        (b"colour: blue\n", "there is no setting 'colour' (docs/settings.md has them all)"),
        (b"1: secret\n", "there is no setting '1'"),
        (b"log_level: loud\n", "setting log_level: must be one of trace, debug, info, warn, warning, error"),
        (b"port: secret-in-the-wrong-place\n", "setting port"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_config_file_that_is_none(tmp_path: Path, text: bytes, words: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_bytes(text)
    said = refusal(1, "config", "show", "--config", str(config))
    assert words in said
    assert "secret" not in said


def test_a_list_in_the_environment_that_is_none() -> None:
    said = refusal(1, "config", "show", GENVM_ALLOWED_ARGUMENTS="a-secret")
    assert "allowed_arguments" in said
    assert "secret" not in said


TIMES = [
    name
    for name, field in Settings.model_fields.items()
    if isinstance(extra := field.json_schema_extra, dict) and extra["unit"] == Unit.SECONDS
]


@pytest.mark.parametrize("text", ["inf", "1e300", "nan"])
def test_a_time_that_is_none(text: str) -> None:
    assert len(TIMES) > 15
    for name in TIMES:
        with pytest.raises(ValidationError) as refused:
            Settings.model_validate({name: text})
        assert [problem["loc"] for problem in refused.value.errors()] == [(name,)]


def test_variables_that_look_like_a_setting_and_are_none() -> None:
    environment = {"GENVM_PROT": "1", "GENVM_TOKEN_FILES": "2", "GENVM_PERMIT": "3"}
    others = {"GENVM_TOKEN_FILE": "4", "GENVM_PORT": "5", "GENVM_MANAGER_IMAGE": "6", "GENVM_OPENAI_KEY": "7"}
    assert misspelt(environment | others) == {
        "GENVM_PERMIT": "GENVM_PERMITS",
        "GENVM_PROT": "GENVM_PORT",
        "GENVM_TOKEN_FILES": "GENVM_TOKENS_FILE",
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"GENVM_NODE_NETWORKS": "10.0.0.0/8,bogus"},
            "setting node_networks.1: a network is written like 10.0.0.0/8 or fd00::/8",
        ),
        (
            {"GENVM_SOCKET": "/tmp/a.sock", "GENVM_OPERATOR_SOCKET": "/tmp/a.sock"},
            "settings: operator_socket must be another socket than socket",
        ),
    ],
    ids=["a network", "two that do not go together"],
)
def test_a_setting_that_is_none_of_two_kinds_or_fits_no_other_is_named(
    settings: dict[str, str], words: str
) -> None:
    assert words in refusal(1, "config", "show", **settings)


@pytest.mark.parametrize(
    ("url", "words", "advice"),
    [
        ("nonsense", "the journal is in PostgreSQL or SQLite", "it begins with"),
        ("mysql://user:a-secret@host/genvm", "it begins with postgresql://", "sqlite://"),
        (
            "postgresql+psycopg://user:a-secret@127.0.0.1:port/genvm",
            "host and port cannot be read",
            "write postgresql://USER",
        ),
        ("sqlite://", "a journal in SQLite is a file", "write sqlite:////"),
        ("sqlite:///:memory:", "a journal in SQLite is a file", "write sqlite:////"),
        ("sqlite:////tmp/journal.sqlite?timeout=60", "a journal in SQLite is a file", "write sqlite:////"),
        ("sqlite:////nonexistent/journal.sqlite", "No such file", "directory is there"),
        ("sqlite:////proc/self/journal.sqlite", "No such file", "(GENVM_STATE_DIR, GENVM_DATABASE_URL)"),
        (
            "postgresql+psycopg://user:a-secret@127.0.0.1:1/genvm",
            "Connection refused",
            "PostgreSQL runs at 127.0.0.1:1,",
        ),
        (
            "postgresql+psycopg://user:a-secret@a..b/genvm",
            "journal's host cannot be looked up",
            "PostgreSQL runs at a..b:5432,",
        ),
        (
            "postgresql+psycopg://user:a-secret@/genvm?host=::1&host=::2",
            "journal's URL cannot be read",
            "write postgresql://USER",
        ),
        (
            "postgresql+psycopg://user:a-secret@host/genvm?host=other&port=x",
            "journal's URL cannot be read",
            "write postgresql://USER",
        ),
    ],
)
def test_a_journal_that_cannot_be_opened(tmp_path: Path, url: str, words: str, advice: str) -> None:
    state_dir = str(tmp_path / "state")
    said = refusal(1, "serve", "--port", "0", "--state-dir", state_dir, GENVM_DATABASE_URL=url)
    assert words in said
    assert advice in said
    assert "secret" not in said


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_text("not a database, " * 100)
    said = refusal(1, "serve", "--port", "0", "--state-dir", str(tmp_path))
    assert "not a database" in said
    assert f"move {tmp_path}/journal.sqlite away, with its -wal and -shm, or bring it back" in said


def taken_port(stack: ExitStack, _: Path) -> list[str]:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return ["--port", str(listener.getsockname()[1])]


def newer_journal(_: ExitStack, folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        connection.execute("CREATE TABLE genvm_properties (owner TEXT, name TEXT, value INTEGER)")
        connection.execute("INSERT INTO genvm_properties VALUES ('', 'schema', 9999)")
        connection.commit()
    return ["--port", "0"]


def journal_of_other_schema(_: ExitStack, folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as connection:
        connection.execute("CREATE TABLE genvm_properties (owner TEXT, name TEXT, value)")
        connection.execute("INSERT INTO genvm_properties VALUES ('', 'schema', 'x')")
        connection.commit()
    return ["--port", "0"]


def manifest_of_other_text(_: ExitStack, folder: Path) -> list[str]:
    (folder / "manifest.yaml").write_text("executor_versions: [\n")
    return ["--port", "0", "--manifest", str(folder / "manifest.yaml")]


def foreign_directory(stack: ExitStack, folder: Path) -> list[str]:
    """As one of another user's answers, whoever runs this: nothing can be made in it."""
    return ["--port", "0", "--state-dir", "/proc/self/state"]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(taken_port, "set GENVM_PORT", id="the port is taken"),
        pytest.param(newer_journal, "newer", id="the journal is a newer version's"),
        pytest.param(journal_of_other_schema, "bring it back", id="the journal's schema is no number"),
        pytest.param(foreign_directory, "set GENVM_STATE_DIR", id="the state directory is not ours to write"),
        pytest.param(
            lambda _, folder: ["--port", "0", "--log-level", "lout"],
            "must be one of",
            id="a mistyped log level",
        ),
        pytest.param(
            lambda _, folder: ["--config", str(folder)],
            READABLE,
            id="an unreadable config",
        ),
        pytest.param(
            manifest_of_other_text, "Failed to parse manifest YAML", id="a manifest that is not YAML"
        ),
        pytest.param(
            lambda _, folder: ["--port", "0", "--manifest", str(folder)],
            "or name another file (GENVM_MANIFEST)",
            id="a manifest that is a directory",
        ),
        pytest.param(
            lambda _, folder: ["--config", str(folder / "x")],
            READABLE,
            id="no config",
        ),
    ],
)
def test_what_keeps_a_manager_from_starting_is_one_line(
    tmp_path: Path, prepare: Callable[[ExitStack, Path], list[str]], words: str
) -> None:
    with ExitStack() as stack:
        assert words in refusal(1, "serve", "--state-dir", str(tmp_path), *prepare(stack, tmp_path))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("GENVM_TOKENS_FILE", "or name another file (GENVM_TOKENS_FILE)"),
        ("GENVM_OPERATOR_SOCKET", "move it away"),
        ("GENVM_SOCKET", "move it away"),
    ],
)
def test_what_a_file_of_another_kind_keeps_from_starting_is_one_line(
    tmp_path: Path, setting: str, words: str
) -> None:
    other = tmp_path / "other"
    other.write_text("text")
    other.chmod(0o600)
    said = refusal(1, "serve", "--port", "0", "--state-dir", str(tmp_path), **{setting: str(other)})
    assert str(other) in said
    assert words in said


@pytest.mark.parametrize(
    "variables",
    [{"DOCKER_HOST": "foo"}, {"DOCKER_CONTEXT": "of-nobody"}, {"DOCKER_CERT_PATH": "/nonexistent"}],
    ids=str,
)
def test_a_client_of_the_engine_that_can_never_be_made_is_one_line(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    """An engine that is away may come."""
    state_dir = str(tmp_path / "state")
    said = refusal(1, "serve", "--port", "0", "--runtime", "docker", "--state-dir", state_dir, **variables)
    assert "cannot be used" in said
    assert "DOCKER_HOST" in said
