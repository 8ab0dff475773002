"""docs/backup.md's commands for a cluster, and the Pod that restores, against the chart. On no cluster."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from orchestrator.state_dir import owned_state_dir
from orchestrator.version import VERSION
from tests.helm.chart import ROOT, VERSIONS, HelmEngine, Object, Rendered
from tests.helm.restricted import violations
from tests.helm.schemas import complaints
from tests.integration.store.test_backup import OWNER, one_run
from tests.unit.reference.documented import PROGRAM, commands

RELEASE = "genvm"
MANIFEST = "examples/restoring/pod.yaml"
POD: Object = yaml.safe_load((ROOT / MANIFEST).read_text("utf-8"))
LINES = [
    command.words[3:]
    for command in commands(ROOT / "docs" / "backup.md")
    if command.words[:3] == ("kubectl", "-n", RELEASE)
]
MOUNT = "/var/lib/genvm-orchestrator"
BACKED_UP, RESTORER = f"{RELEASE}-genvm-orchestrator-0", str(POD["metadata"]["name"])


@pytest.fixture(scope="module")
def chart(helm: HelmEngine) -> Rendered:
    values = {"access": {"acknowledgeOpen": True}}
    return helm.render(values, release=RELEASE, namespace=RELEASE)


def inside(pod: str) -> list[Sequence[str]]:
    """What the page has run in a Pod."""
    executed = [words for words in LINES if words[0] == "exec" and pod in words]
    return [words[words.index("--") + 1 :] for words in executed]


def test_the_page_names_what_the_chart_makes(chart: Rendered) -> None:
    name = chart.manager["metadata"]["name"]
    assert {words[2] for words in LINES if words[0] == "scale"} == {name}
    assert [words[-1] for words in LINES if words[0] == "scale"] == [
        "--replicas=0",
        f"--replicas={chart.manager['spec']['replicas']}",
    ]
    assert f"{name}-0" == BACKED_UP
    pods = {BACKED_UP, RESTORER}
    assert {words[2 if words[1] == "-i" else 1] for words in LINES if words[0] == "exec"} == pods
    waited = {words[2].removeprefix("pod/") for words in LINES if words[0] == "wait"}
    assert waited == pods
    assert [words[-1] for words in LINES if words[0] == "apply"] == [MANIFEST]
    assert [words[1:] for words in LINES if words[0] == "delete"] == [("pod", RESTORER)]


def test_the_pod_that_restores_is_the_managers_double(chart: Rendered) -> None:
    manager = chart.manager["spec"]["template"]["spec"]
    (original,), (double,) = manager["containers"], POD["spec"]["containers"]
    assert POD["spec"]["securityContext"] == manager["securityContext"]
    assert double["securityContext"] == original["securityContext"]
    assert double["image"] == original["image"] == f"genvm-manager:{VERSION}"
    assert double["env"] == [one for one in original["env"] if one["name"] == "GENVM_STATE_DIR"]
    mounts = [one for one in original["volumeMounts"] if one["name"] in ("state", "tmp")]
    assert double["volumeMounts"] == mounts
    (claim,) = chart.manager["spec"]["volumeClaimTemplates"]
    named = f"{claim['metadata']['name']}-{chart.manager['metadata']['name']}-0"
    assert POD["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": named}
    assert POD["spec"]["volumes"][1] in manager["volumes"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cluster_takes_the_pod(version: str) -> None:
    assert complaints(POD, version) == []
    assert list(violations(POD["spec"])) == []


def test_the_commands_in_the_pods_do_it(chart: Rendered, tmp_path: Path) -> None:
    """With the manager's variables; nothing but paths is this test's own."""
    (backing_up, taking, cleaning), (bringing, restoring) = inside(BACKED_UP), inside(RESTORER)
    places = {MOUNT: tmp_path / "volume", "/tmp/": tmp_path / "tmp"}
    for place in places.values():
        place.mkdir()
    variables = {name: one["value"] for name, one in chart.environment().items() if "value" in one}
    told = {
        name: here(value.replace("$(POD_NAME)", BACKED_UP), places)
        for name, value in variables.items()
        if name.startswith("GENVM_")
    }
    assert told["GENVM_STATE_DIR"] == str(tmp_path / "volume" / "state")

    def done(words: Sequence[str], brought: bytes = b"") -> bytes:
        told_of_it = [here(word, places) for word in words]
        if told_of_it[0] == PROGRAM:
            told_of_it[:1] = [sys.executable, "-m", "orchestrator"]
        ended = subprocess.run(
            told_of_it, env=os.environ | told, input=brought, capture_output=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    state_dir = Path(told["GENVM_STATE_DIR"])
    with owned_state_dir(state_dir, OWNER):
        asyncio.run(one_run(state_dir))
        done(backing_up)
        backup = done(taking)
        done(cleaning)
    assert [path.name for path in places[MOUNT].iterdir()] == ["state"]
    done(bringing, backup)
    assert b"are ended now: 1" in done(restoring)


def here(text: str, places: Mapping[str, Path]) -> str:
    """Paths of a Pod as this test has them."""
    for there, place in places.items():
        if there in text:
            return text.replace(there, str(place) + ("/" if there.endswith("/") else ""))
    return text
