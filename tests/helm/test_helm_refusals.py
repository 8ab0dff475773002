"""Values that are unsafe or cannot work are refused by name, before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.helm.chart import VERSIONS, HelmEngine, Object, Refused, Rendered

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "several managers on SQLite": ({"replicas": 2}, "replicas is 2, and the journal is SQLite"),
    "several managers without a secret": ({"replicas": 2}, "replicas is 2 without managers.existingSecret"),
    "two places for the database": (
        {"postgresql": {"url": "postgresql+psycopg://h/d", "existingSecret": "s"}},
        "postgresql.url and postgresql.existingSecret are both set",
    ),
    "no volume": ({"persistence": {"enabled": False}}, "set persistence.acknowledgeLoss"),
    "no volume and nobody to take over": (
        {"persistence": {"enabled": False, "acknowledgeLoss": True}},
        "set shutdown.policy to drain",
    ),
    "open to the outside": ({"service": {"type": "NodePort"}}, "service.type is NodePort without access"),
    "open to a network": (
        {"networkPolicy": {"clientNetworks": ["10.0.0.0/8"]}},
        "networkPolicy.clientNetworks lets in who is not of this cluster",
    ),
    "open to the cluster": ({"networkPolicy": {"enabled": False}}, "or access.acknowledgeOpen"),
    "open to the namespace": (
        {"networkPolicy": {"clientLabels": {"genvm-orchestrator/client": None}}},
        "networkPolicy.clientLabels is empty",
    ),
    "latest manager": ({"image": {"tag": "latest"}}, "image.tag is latest"),
    "latest executor": ({"instances": {"executor": {"tag": "latest"}}}, "instances.executor.tag is latest"),
    "latest connector": (
        {"instances": {"connector": {"tag": "latest"}}},
        "instances.connector.tag is latest",
    ),
    "latest module": ({"modules": {"web": {"tag": "latest"}}}, "modules.web.tag is latest"),
    "nothing to pull and no name": (
        {"image": {"pullPolicy": "Never"}},
        "image.pullPolicy is Never, and neither modules.llm.digest",
    ),
    "instances reach everything": (
        {"nodes": {"directNetworks": ["0.0.0.0/0"]}},
        "instances would reach everything",
    ),
    "keys from nowhere": ({"providers": {"keys": ["OPENAI_API_KEY"]}}, "providers.existingSecret is not"),
    "a Secret without keys": ({"providers": {"existingSecret": "s"}}, "providers.keys is empty"),
    "a setting as a key": (
        {"providers": {"existingSecret": "s", "keys": ["GENVM_HOST"]}},
        "that is a setting of the manager",
    ),
    "a setting that the chart decides": (
        {"settings": {"state_dir": "/x"}},
        "settings.state_dir is decided by the chart: use persistence",
    ),
    "a variable that the chart decides": (
        {"extraEnv": [{"name": "GENVM_TOKENS_FILE", "value": "/x"}]},
        "extraEnv has GENVM_TOKENS_FILE, which is decided by the chart: use access.tokensSecret",
    ),
    "a secret said": (
        {"extraEnv": [{"name": "MY_API_KEY", "value": "sk-1"}]},
        "extraEnv has MY_API_KEY with its value",
    ),
    "a label that selects": (
        {"podLabels": {"app.kubernetes.io/name": "x"}},
        "podLabels has app.kubernetes.io/name, by which the managers' Pods are found",
    ),
    "an annotation that restarts": (
        {"podAnnotations": {"checksum/config": "x"}},
        "podAnnotations has checksum/config, by which a changed setting restarts the managers",
    ),
    "a variable twice": (
        {"extraEnv": [{"name": "POD_NAME", "value": "x"}]},
        "extraEnv has POD_NAME, which the chart sets",
    ),
    "a key twice": (
        {
            "providers": {"existingSecret": "s", "keys": ["ZONE"]},
            "extraEnv": [{"name": "ZONE", "value": "x"}],
        },
        "extraEnv has ZONE, which the chart sets",
    ),
    "a Service that begins with a digit": (
        {"fullnameOverride": "9abc"},
        "the objects' name is 9abc, which clusters refuse for a Service",
    ),
    "values of an earlier chart": (
        {"networkPolicy": {"dns": None}},
        "upgrade with --reset-then-reuse-values instead of --reuse-values",
    ),
    # The schema's.
    "no manager": ({"replicas": 0}, "minimum: got 0, want 1"),
    "a value of no such name": ({"replicaCount": 2}, "additional properties 'replicaCount' not allowed"),
    "a value of no such name below": (
        {"access": {"token": "x"}},
        "additional properties 'token' not allowed",
    ),
    "a container without a bound": ({"resources": {"limits": {"cpu": None}}}, "missing property 'cpu'"),
    "a digest that is none": ({"image": {"digest": "sha256:12"}}, "does not match pattern"),
    "another database": ({"postgresql": {"url": "mysql://h/d"}}, "does not match pattern"),
    "another policy": ({"shutdown": {"policy": "kill"}}, "value must be one of 'detach', 'drain'"),
    "a network that is none": ({"nodes": {"directNetworks": ["all"]}}, "does not match pattern"),
}


@pytest.mark.parametrize(("values", "text"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_by_name(values: dict[str, Any], text: str, helm: HelmEngine) -> None:
    with pytest.raises(Refused) as refused:
        helm.render(values)
    assert text in str(refused.value)


@pytest.mark.parametrize("release", ["1demo", "my.release"])
def test_a_release_whose_name_no_service_may_have(release: str, helm: HelmEngine) -> None:
    with pytest.raises(Refused, match=f"the objects' name is {release}-genvm-orchestrator, which clusters"):
        helm.render({}, release=release)
    assert helm.render({"fullnameOverride": "demo"}, release=release).objects


def test_everything_that_is_wrong_is_said_at_once(helm: HelmEngine) -> None:
    with pytest.raises(Refused) as refused:
        helm.render({"replicas": 2, "service": {"type": "LoadBalancer"}, "image": {"tag": "latest"}})
    assert str(refused.value).count("\n  - ") == 4


def test_a_secrets_value_is_not_in_the_refusal(helm: HelmEngine) -> None:
    with pytest.raises(Refused) as refused:
        helm.render({"extraEnv": [{"name": "MY_API_KEY", "value": "sk-1234"}]})
    assert "sk-1234" not in str(refused.value)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(
            {"image": {"tag": "latest", "digest": "sha256:" + "0" * 64}}, id="a digest wins over latest"
        ),
        pytest.param(
            {"networkPolicy": {"enabled": False}, "access": {"tokensSecret": "t"}}, id="tokens instead"
        ),
        pytest.param(
            {"service": {"type": "NodePort"}, "access": {"tokensSecret": "t"}}, id="outside with tokens"
        ),
        pytest.param({"global": {"anything": 1}}, id="what a parent chart hands down"),
        pytest.param({"settings": {"retention": 60}}, id="a setting that is free"),
    ],
)
def test_what_is_safe_is_rendered(values: dict[str, Any], helm: HelmEngine) -> None:
    assert helm.render(values).objects


OWN = {"instances": {"namespace": "runs"}}
ENFORCED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.mark.parametrize("labels", [{}, {"pod-security.kubernetes.io/enforce": "baseline"}])
def test_a_namespace_of_its_own_has_to_be_restricted(labels: dict[str, str], helm: HelmEngine) -> None:
    with pytest.raises(Refused, match=r"instances\.namespace is runs, which does not enforce restricted"):
        helm.install(OWN, VERSIONS[-1], {"runs": labels})
    meant = {"instances": {"namespace": "runs", "acknowledgeUnrestricted": True}}
    _, notes = helm.install(meant, VERSIONS[-1], {"runs": labels})
    assert "THE NAMESPACE runs DOES NOT ENFORCE *restricted*" in notes


@pytest.mark.parametrize("where", ["", "runs"])
def test_who_may_not_look_at_the_namespace_can_say_so(where: str, helm: HelmEngine) -> None:
    """Nothing in a template catches what Helm is refused."""
    with pytest.raises(Refused, match=r'namespaces "\w+" is forbidden'):
        helm.install({"instances": {"namespace": where}}, VERSIONS[-1], None)
    sent, _ = helm.install({"instances": {"namespace": where, "lookAtNamespace": False}}, VERSIONS[-1], None)
    assert sent


def policies_of(release: str, rendered: Rendered) -> list[Object]:
    """As Helm sends them."""
    whose = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": "genvm"}
    found = rendered.of_kind("NetworkPolicy")
    return [one | {"metadata": one["metadata"] | {"annotations": whose}} for one in found]


def test_a_namespace_that_has_another_releases_instances(
    helm: HelmEngine, rendered: dict[str, Rendered]
) -> None:
    """The other's policies would let its networks be reached from here, or keep this manager out."""
    others = policies_of("other", rendered["defaults"])
    with pytest.raises(
        Refused, match=r"the namespace genvm has the instances of another release \(genvm/other\)"
    ):
        helm.install({}, VERSIONS[-1], policies=others)
    for values in (OWN, {"instances": {"lookAtNamespace": False}}):
        assert helm.install(values, VERSIONS[-1], policies=others)
    assert helm.install({}, VERSIONS[-1], policies=policies_of("demo", rendered["defaults"]))
    # The operator's own, of no release.
    assert helm.install({}, VERSIONS[-1], policies=rendered["defaults"].of_kind("NetworkPolicy"))


def test_a_restricted_one_is_taken_without_a_word(helm: HelmEngine) -> None:
    _, notes = helm.install(OWN, VERSIONS[-1], {"runs": ENFORCED})
    assert "DOES NOT ENFORCE" not in notes


def test_the_releases_own_namespace_is_only_spoken_of(helm: HelmEngine) -> None:
    """So that a plain cluster gets a manager that runs contracts."""
    _, notes = helm.install({}, VERSIONS[-1], {"genvm": {}})
    assert "THE NAMESPACE genvm DOES NOT ENFORCE *restricted*" in notes
