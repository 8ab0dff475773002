"""What every documented combination of values renders, in words and as reviewed files."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from orchestrator.settings import Settings
from tests.helm import snapshots
from tests.helm.chart import CHART, VERSIONS, HelmEngine, Object, Refused, Rendered, combinations, containers
from tests.helm.restricted import violations
from tests.helm.schemas import complaints

COMBINATIONS = combinations()
every_combination = pytest.mark.parametrize("name", COMBINATIONS)


@every_combination
def test_it_is_what_was_reviewed(name: str, rendered: dict[str, Rendered]) -> None:
    """A change on purpose: `python -m tests.helm.snapshots`, and look at the difference."""
    assert snapshots.snapshot(name, rendered) == snapshots.committed()[name]


def test_no_review_is_left_of_a_combination_that_is_gone() -> None:
    assert snapshots.committed().keys() == COMBINATIONS.keys()


@pytest.mark.parametrize("version", VERSIONS)
def test_each_kubernetes_version_knows_every_field(version: str, rendered: dict[str, Rendered]) -> None:
    seen: list[Object] = []
    for name, found in rendered.items():
        for one in found.objects:
            if one not in seen:
                seen.append(one)
                assert complaints(one, version) == [], (name, one["metadata"]["name"])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kubernetes_version_is_sent_the_same(
    version: str, helm: HelmEngine, rendered: dict[str, Rendered]
) -> None:
    for name, values in COMBINATIONS.items():
        hooks = [one for one in rendered[name].objects if "helm.sh/hook" in annotated(one)]
        plain = [one for one in rendered[name].objects if one not in hooks]
        sent, _ = helm.install(values, version)
        assert sorted(map(str, sent)) == sorted(map(str, plain)), name


def test_an_older_kubernetes_is_refused(helm: HelmEngine) -> None:
    with pytest.raises(Refused, match=r"requires kubeVersion: >=1\.29"):
        helm.install({}, "v1.28.15")


@pytest.mark.parametrize("version", VERSIONS)
@every_combination
def test_helm_lint_has_nothing_to_say(name: str, version: str, helm: HelmEngine) -> None:
    found = helm.lint(COMBINATIONS[name], version)
    assert [one["error"] for one in found["messages"] if one["severity"] > 1] == []
    assert found["errors"] == []


@every_combination
def test_every_pod_passes_the_restricted_level(name: str, rendered: dict[str, Rendered]) -> None:
    found = {pod: list(violations(spec)) for pod, spec in rendered[name].pods.items()}
    assert len(found) >= 2
    assert not any(found.values()), found


@every_combination
def test_every_container_asks_for_and_is_bounded_in_processor_and_memory(
    name: str, rendered: dict[str, Rendered]
) -> None:
    for pod in rendered[name].pods.values():
        for container in containers(pod):
            sizes = container["resources"]
            assert {"cpu", "memory"} <= sizes["requests"].keys() & sizes["limits"].keys(), container["name"]


@every_combination
def test_every_image_is_a_version_or_a_digest(name: str, rendered: dict[str, Rendered]) -> None:
    """The instances' own, which the manager is told, as well."""
    told = [one["value"] for key, one in rendered[name].environment().items() if key.endswith(IMAGES)]
    pulled = [container["image"] for pod in rendered[name].pods.values() for container in containers(pod)]
    assert len(told) == 4
    for image in told + pulled:
        reference = image.rpartition("/")[2]
        assert "@sha256:" in reference or (":" in reference and not reference.endswith(":latest")), image


IMAGES = ("_IMAGE", "_IMAGE_PATTERN")


@every_combination
def test_rights_name_each_verb_in_the_instances_namespace_alone(
    name: str, rendered: dict[str, Rendered]
) -> None:
    assert rendered[name].of_kind("ClusterRole") == rendered[name].of_kind("ClusterRoleBinding") == []
    role = rendered[name].named("Role", "-orchestrator")
    (reaping,) = [one for one in rendered[name].of_kind("Role") if one != role]
    assert reaping["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "delete"]}]
    assert reaping["metadata"]["namespace"] == role["metadata"]["namespace"]
    wanted = COMBINATIONS[name].get("instances", {}).get("namespace", "genvm")
    assert role["metadata"]["namespace"] == wanted
    assert {(one, verb) for rule in role["rules"] for one in rule["resources"] for verb in rule["verbs"]} == {
        *(("pods", verb) for verb in ("create", "get", "list", "watch", "patch", "delete")),
        ("pods/log", "get"),
        *((kind, "list") for kind in ("events", "resourcequotas", "limitranges")),
    }
    assert all(rule["apiGroups"] == [""] for rule in role["rules"])


@every_combination
def test_a_service_accounts_token_is_where_it_is_used(name: str, rendered: dict[str, Rendered]) -> None:
    mounted = {
        pod
        for pod, spec in rendered[name].pods.items()
        if spec.get("automountServiceAccountToken") is not False
    }
    manager = rendered[name].manager["metadata"]["name"]
    assert mounted == {manager, f"{manager}-reap"}
    assert all(
        one["automountServiceAccountToken"] is False for one in rendered[name].of_kind("ServiceAccount")
    )


@every_combination
def test_secrets_are_named_and_never_said(name: str, rendered: dict[str, Rendered]) -> None:
    """The one exception is the demo's URL, which stays in its Secret."""
    for pod in rendered[name].pods.values():
        for container in containers(pod):
            secret = [one for one in container.get("env", []) if one["name"].endswith(SECRET)]
            assert all("secretKeyRef" in one["valueFrom"] for one in secret)
            assert "envFrom" not in container
    said = [one for one in rendered[name].objects if "genvm:genvm@" in str(one)]
    assert [one["kind"] for one in said] == (["Secret"] if name == "demo-database" else [])
    assert len(rendered[name].of_kind("Secret")) == len(said)


SECRET = ("_KEY", "_TOKEN", "DATABASE_URL")


@every_combination
def test_every_variable_is_a_setting_of_the_manager(name: str, rendered: dict[str, Rendered]) -> None:
    """The manager passes over a name that it does not know, so nobody else would notice."""
    known = {f"GENVM_{field}".upper() for field in Settings.model_fields}
    own = {key for key in rendered[name].environment() if key.startswith("GENVM_")}
    assert own - known == set()


@every_combination
def test_the_manager_reads_these_settings(
    name: str, rendered: dict[str, Rendered], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, one in rendered[name].environment().items():
        value = one.get("value", "postgresql+psycopg://u@h/d")
        monkeypatch.setenv(key, value.replace("$(POD_NAME)", f"{'m' * 45}-99"))
    (config,) = [one for one in rendered[name].of_kind("ConfigMap") if "config.yaml" in one["data"]]
    settings: Any = Settings(**yaml.safe_load(config["data"]["config.yaml"]))
    assert (settings.runtime, settings.permits) == ("kubernetes", 8)
    assert settings.instance_memory_bytes == 1024**3
    assert (settings.database_url is None) is ("GENVM_DATABASE_URL" not in rendered[name].environment())


@every_combination
def test_the_manager_knows_the_service_that_leads_to_it(name: str, rendered: dict[str, Rendered]) -> None:
    """Its address is none of the manager's own, so it would pass as a node."""
    told = rendered[name].environment()["GENVM_REACHED_AT"]["value"].split(",")
    services = [one for one in rendered[name].of_kind("Service") if one["spec"].get("clusterIP") != "None"]
    assert told == [
        f"{one['metadata']['name']}.{one['metadata']['namespace']}.svc:{port['port']}"
        for one in services
        for port in one["spec"]["ports"]
    ]


def test_what_else_leads_to_the_managers_is_told_them_as_well(helm: HelmEngine) -> None:
    others = ["genvm.example.org:443", "[fd00::1]:30080"]
    found = helm.render({"service": {"port": 80, "alsoReachedAt": others}})
    ours = "demo-genvm-orchestrator.genvm.svc:80"
    assert found.environment()["GENVM_REACHED_AT"]["value"] == ",".join([ours, *others])


@every_combination
def test_nobody_is_bothered_by_a_service_of_the_same_name(name: str, rendered: dict[str, Rendered]) -> None:
    """A Service called `genvm` would be GENVM_PORT=tcp://… in every Pod of its namespace."""
    assert all(pod["enableServiceLinks"] is False for pod in rendered[name].pods.values())


@every_combination
def test_no_selector_changes_with_a_version(name: str, rendered: dict[str, Rendered]) -> None:
    manager = rendered[name].manager["spec"]
    version = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["version"]
    assert version not in str(manager["selector"])
    assert version not in str(manager["template"]["metadata"])
    assert manager["selector"]["matchLabels"].items() <= manager["template"]["metadata"]["labels"].items()
    for service in rendered[name].of_kind("Service"):
        assert service["spec"]["selector"] == manager["selector"]["matchLabels"]


def annotated(one: Object) -> Object:
    found: Object = one["metadata"].get("annotations", {})
    return found
