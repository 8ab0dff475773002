"""What nodes post (modules 2.1–2.3; behaviours 22, 26)."""

from __future__ import annotations

from typing import Any

import pytest

from genvm_llm.configuration import default_config, read_config
from genvm_llm.failures import Kind
from genvm_llm.service import LlmModule
from genvm_module.contract import ConfigurationRefused
from genvm_module.expansion import UnknownVariable, expand

from .talk import KEY, backend

URL = "https://llm.example.com"


def test_disabled_backends_models_and_keyless_ones_drop_out() -> None:
    config = read_config(
        {
            "backends": {
                "kept": backend(URL),
                "off": {**backend(URL), "enabled": False},
                "keyless": {**backend(URL), "key": ""},
                "modelless": {**backend(URL), "models": {"m": {"enabled": False}}},
                "local": {**backend(URL, "ollama"), "key": ""},
            }
        }
    )
    assert list(config.backends) == ["kept", "local"]
    assert [note.split("'")[1] for note in config.notes] == ["keyless", "modelless"]


def test_no_backend_left_is_refused_unless_allowed() -> None:
    with pytest.raises(ConfigurationRefused, match="no valid backend detected"):
        read_config({"backends": {}})
    assert read_config({"backends": {}}, allow_empty_backends=True).backends == {}


async def test_who_starts_the_module_reads_which_backends_were_left_out_and_why() -> None:
    """manager-api 7, W14."""
    keyless = {**backend(URL), "key": ""}
    why = "backend 'main' dropped: its key is empty"
    service = await LlmModule().configure(
        {"backends": {"kept": backend(URL), "main": keyless}}, allow_empty_backends=False
    )
    assert list(service.notes) == [why]
    await service.close()
    with pytest.raises(ConfigurationRefused, match=why):
        await LlmModule().configure({"backends": {"main": keyless}}, allow_empty_backends=False)


def test_the_images_own_file_has_no_backend() -> None:
    assert default_config()["backends"] == {}


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(read_config({"backends": {"b": backend(URL)}}))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"provider": "simulator"}, "provider"),
        ({"host": "llm.example.com"}, "host"),
        ({"host": None}, "host"),
        ({"timeout": "soon"}, "backends.b"),
        ({"models": []}, "models"),
        ({"models": {"m": {"supports_json": "yes"}}}, "supports_json"),
        ({"max_concurrent": 0}, "max_concurrent"),
        ({"meta": {"priority": "high"}}, "priority"),
    ],
)
def test_mistakes_are_named_and_values_that_could_be_secret_are_not(
    change: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigurationRefused, match=where) as refused:
        read_config({"backends": {"b": {**backend(URL), **change}}})
    assert KEY not in str(refused.value)


def test_fractions_may_come_as_text() -> None:
    config = read_config({"backends": {"b": {**backend(URL), "meta": {"priority": "1.5"}, "timeout": "2.5"}}})
    assert (config.backends["b"].priority, config.backends["b"].timeout) == (1.5, 2.5)


@pytest.mark.parametrize(
    ("path", "policy"),
    [("/opt/x/llm.lua", "studio"), ("/opt/greybox.lua", "default"), (None, "default")],
)
def test_lua_scripts_choose_a_policy_and_say_so(path: str | None, policy: str) -> None:
    config = read_config({"lua_script_path": path}, allow_empty_backends=True)
    assert config.policy == policy
    assert bool(config.notes) is (path is not None)


def test_a_template_without_its_variables_is_refused() -> None:
    broken = {"eq_comparative": {"system": "", "user": "#{principle}"}}
    with pytest.raises(ConfigurationRefused, match="leader_answer"):
        read_config({"prompt_templates": broken}, allow_empty_backends=True)


@pytest.mark.parametrize(
    "retry", [{"attempts": 0}, {"attempts": 99}, {"wait": "x"}, {"kinds": ["bad luck"]}, 3]
)
def test_retry_refused(retry: Any) -> None:
    with pytest.raises(ConfigurationRefused, match="retry"):
        read_config({"retry": retry}, allow_empty_backends=True)


def test_retry_kinds() -> None:
    config = read_config({"retry": {"kinds": ["rate_limit"]}}, allow_empty_backends=True)
    assert config.retry.kinds == {Kind.RATE_LIMIT}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("a ${ENV[SET]} b", "a value b"),
        ("${ENV[NOT_SET]}", ""),
        ("${exeDir}/x", "/x"),
        ("${ENV[<no-key>]}", "${ENV[<no-key>]}"),
        ("$ENV[SET]", "$ENV[SET]"),
        ("${ENV[TWICE]}", "${ENV[SET]}"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    environment = {"SET": "value", "TWICE": "${ENV[SET]}"}
    assert expand({"${ENV[SET]}": [text, 1]}, environment) == {"${ENV[SET]}": [expanded, 1]}


def test_an_unknown_variable_is_an_error() -> None:
    with pytest.raises(UnknownVariable, match="unknown variable `home`"):
        expand("${home}", {})
