"""From a start request to the `configure` message, and what of it may be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genvm_wire.module_messages import Configure
from orchestrator.modules.configuration import StartRequest, configuration_of
from orchestrator.modules.failures import BadConfiguration
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.redaction import Redaction, secrets_in

NO_ENVIRONMENT: dict[str, str] = {}
KEY = "sk-0123456789"


def made(config: dict[str, Any] | None = None, file: Path | None = None, **flags: bool) -> Any:
    request = StartRequest(config, **flags)
    return configuration_of(ModuleKind.LLM, request, file, {"KEY": KEY, "SHORT": "on"}.get)


def test_the_message_is_the_protocols() -> None:
    message = made({"a": "${ENV[KEY]}", "t": 0.5}, allow_empty_backends=True).message(4)
    assert message == Configure(4, {"a": KEY, "t": "0.5"}, user_error=False, allow_empty_backends=True)
    assert KEY not in repr(message)


@pytest.mark.parametrize("kind", list(ModuleKind))
def test_each_module_has_a_default_that_is_built_in(kind: ModuleKind) -> None:
    values = configuration_of(kind, StartRequest(), None, NO_ENVIRONMENT.get).values
    assert values["backends" if kind is ModuleKind.LLM else "always_allow_hosts"] in ({}, [])


def test_the_default_may_be_a_file_of_the_operators(tmp_path: Path) -> None:
    file = tmp_path / "llm.yaml"
    file.write_text("backends: {main: {key: '${ENV[KEY]}', timeout: 1.5}}")
    assert made(None, file).values == {"backends": {"main": {"key": KEY, "timeout": "1.5"}}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("- 1", "not a map"), ("a: [", "line 1"), ("a: 2024-01-01", "date"), ("1: a", "keys must be strings")],
)
def test_a_default_file_that_is_no_configuration_is_refused(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "llm.yaml"
    file.write_text(text)
    with pytest.raises(BadConfiguration, match=complaint):
        made(None, file)


def test_a_default_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"llm\.yaml"):
        made(None, tmp_path / "llm.yaml")


@pytest.mark.parametrize(
    "config",
    [
        {"x": "${ENV[KEY]}"},
        {"backends": {"main": {"key": KEY}}},
        {"signer_headers": {"x-admin-Token": [KEY]}},
        {"meta": {"Authorization": {"deep": KEY}}},
    ],
    ids=["from the environment", "key", "header", "below"],
)
def test_what_is_secret_is_masked_in_texts_and_never_shown(config: dict[str, Any]) -> None:
    configuration = made(config)
    assert configuration.redaction.text(f"401 for {KEY}!") == "401 for ***!"
    assert configuration.redaction.value({KEY: [KEY, 1]}) == {"***": ["***", 1]}
    assert KEY not in repr(configuration)
    assert KEY not in repr(StartRequest(config))


def test_a_short_value_is_no_secret() -> None:
    assert made({"a": "${ENV[SHORT]}"}).redaction.text("going on") == "going on"


def test_of_two_secrets_the_longer_is_masked_first() -> None:
    assert Redaction(["abcde", "abcdefgh"]).text("abcdefgh abcde") == "*** ***"


def test_a_plain_value_is_not_taken_for_a_secret() -> None:
    assert list(secrets_in({"models": {"some-model": {"host": "https://llm.example"}}})) == []
