"""What `doctor` makes of engines that this machine has none of: judged from what they say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.kits.docker import engine, meeting, surroundings
from orchestrator.kits.finding import Level

SECCOMP = "name=seccomp,profile=default"
# As engines answer *info*: 20.10 on Debian, 24.0 rootless, 25.0 on Fedora, Desktop.
PLAIN = {"SecurityOptions": [SECCOMP]}
USERNS = {"SecurityOptions": [SECCOMP, "name=userns"]}
ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}
SELINUX = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=selinux", "name=cgroupns"]}
DESKTOP = {"OperatingSystem": "Docker Desktop", "SecurityOptions": ["name=seccomp,profile=unconfined"]}


@pytest.mark.parametrize(
    ("info", "error", "words"),
    [
        pytest.param(USERNS, "Permission denied", "chmod o+x", id="remapped users"),
        pytest.param(ROOTLESS, "Permission denied", "as the user whose engine it is", id="rootless"),
        pytest.param(SELINUX, "Permission denied", "SELinux", id="SELinux"),
        pytest.param(DESKTOP, "Connection refused", "virtual machine", id="a virtual machine"),
        pytest.param(PLAIN, 'invalid mount config for type "bind"', "same path", id="another machine"),
        pytest.param(PLAIN, "No such image: genvm-base:latest", "make images", id="no image"),
        pytest.param({}, "x", "same path", id="an engine that says nothing"),
    ],
)
def test_a_manager_that_is_not_reached_fails_with_what_to_do(
    info: dict[str, Any], error: str, words: str
) -> None:
    found = meeting.judge_meeting({"error": error}, info)
    assert (found.level, words in found.advice) == (Level.FAIL, True)
    assert error in found.found
    assert meeting.judge_meeting({"error": ""}, info).level is Level.OK
    assert meeting.judge_meeting({}, info).level is Level.FAIL


@pytest.mark.parametrize(
    ("info", "environ", "level", "words"),
    [
        pytest.param({}, {}, Level.OK, "none", id="no proxy anywhere"),
        pytest.param({"HttpProxy": ""}, {"HTTP_PROXY": "p:1"}, Level.WARN, "HTTP_PROXY", id="only here"),
        pytest.param({}, {"https_proxy": "http://p:1"}, Level.WARN, "HTTPS_PROXY", id="only here, in small"),
        pytest.param({"HttpProxy": "http://p:1"}, {}, Level.OK, "p:1", id="the engine's"),
        pytest.param(
            {"HttpsProxy": "http://user:s3cret@p:3128"}, {"HTTPS_PROXY": "http://user:s3cret@p:3128"},
            Level.OK, "HTTPS_PROXY p:3128", id="both, with a password",
        ),
        pytest.param({"HttpProxy": "p:3128"}, {}, Level.OK, "p:3128", id="without a scheme"),
        pytest.param({"HttpProxy": "http://[s3cret"}, {}, Level.OK, "?", id="no address at all"),
    ],
)  # fmt: skip
def test_proxies_are_the_engine_s(
    info: dict[str, Any], environ: dict[str, str], level: Level, words: str
) -> None:
    found = surroundings.judge_proxies(info, environ)
    assert (found.level, words in found.found) == (level, True)
    assert "s3cret" not in found.found + found.advice


@pytest.mark.parametrize(
    ("config", "level"),
    [
        pytest.param({}, Level.OK, id="none"),
        pytest.param({"credsStore": "desktop"}, Level.WARN, id="one that is missing"),
        pytest.param({"credsStore": "here"}, Level.OK, id="one that is there"),
        pytest.param({"credHelpers": {"gcr.io": "gcloud", "x": "here"}}, Level.WARN, id="for a registry"),
        pytest.param({"credsStore": "", "credHelpers": None}, Level.OK, id="empty"),
        pytest.param({"credsStore": 5, "credHelpers": [1]}, Level.OK, id="of another shape"),
        pytest.param([], Level.OK, id="no configuration"),
    ],
)
def test_a_credential_helper_that_is_missing_is_named(config: Any, level: Level) -> None:
    found = surroundings.judge_helpers(
        config, "/c.json", lambda name: name if name == "docker-credential-here" else None
    )
    assert found.level is level
    if level is Level.WARN:
        assert "docker-credential-" in found.found and "/c.json" in found.found


def test_the_user_s_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "surely-not-installed"}')
    assert surroundings.check_registries({"DOCKER_CONFIG": str(tmp_path)}).level is Level.WARN
    (tmp_path / "config.json").write_text("no JSON")
    assert surroundings.check_registries({"DOCKER_CONFIG": str(tmp_path)}).level is Level.OK


def test_no_bridge_means_no_way_to_this_machine() -> None:
    assert surroundings.judge_gateway(None, PLAIN).level is Level.WARN
    assert surroundings.judge_gateway({"Name": "bridge"}, PLAIN).level is Level.OK


def test_the_bridge_of_a_rootless_engine_does_not_lead_to_this_machine() -> None:
    found = surroundings.judge_gateway({"Name": "bridge"}, ROOTLESS)
    assert (found.level, "docs/engines.md" in found.advice) == (Level.WARN, True)


@pytest.mark.parametrize(
    ("info", "words"),
    [pytest.param(PLAIN, "kernel", id="root"), pytest.param(ROOTLESS, "Delegate", id="rootless")],
)
def test_limits_that_are_missing_are_got_where_the_engine_has_them(info: dict[str, Any], words: str) -> None:
    found = engine.judge_engine(
        {**info, "ServerVersion": "24.0.9", "CgroupVersion": "2", "MemoryLimit": False, "PidsLimit": False}
    )
    assert (found.level, words in found.advice) == (Level.FAIL, True)
    assert "memory limits" in found.found and "limits of tasks" in found.found
