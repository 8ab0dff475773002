"""What single values do to the objects."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.__main__ import make_parser
from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.port import InstanceSpec, Role
from tests.helm.chart import NAMESPACE, HelmEngine, Object, Rendered, combinations

CONNECTOR_PORT = KubernetesSettings("m", "image").connector_port


def labels_of(role: Role) -> dict[str, str]:
    """As the runtime gives them."""
    spec = InstanceSpec(
        name="i",
        role=role,
        image="image",
        version="v",
        execution_id=None,
        deadline=None,
        memory_bytes=1,
        cpus=1,
        pids=1,
    )
    return naming.labels(KubernetesSettings("m", "image"), spec, "attempt", "idle")


def selects(selector: Object, labels: dict[str, str]) -> bool:
    plain = selector.get("matchLabels", {}).items() <= labels.items()
    assert all(one["operator"] == "In" for one in selector.get("matchExpressions", []))
    return plain and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )


def policy_for(rendered: Rendered, labels: dict[str, str]) -> Object:
    (found,) = [
        one for one in rendered.of_kind("NetworkPolicy") if selects(one["spec"]["podSelector"], labels)
    ]
    spec: Object = found["spec"]
    return spec


def manager_labels(rendered: Rendered) -> dict[str, str]:
    found: dict[str, str] = rendered.manager["spec"]["template"]["metadata"]["labels"]
    return found


def test_an_instance_reaches_the_modules_and_nothing_else(rendered: dict[str, Rendered]) -> None:
    spec = policy_for(rendered["defaults"], labels_of(Role.EXECUTOR))
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    (out,) = spec["egress"]
    (peer,) = out["to"]
    assert [
        selects(peer["podSelector"], labels_of(role)) for role in (Role.LLM, Role.WEB, Role.EXECUTOR)
    ] == [
        True,
        True,
        False,
    ]
    assert out["ports"] == [{"port": CONNECTOR_PORT, "protocol": "TCP"}]


def test_its_manager_alone_comes_to_an_instance(rendered: dict[str, Rendered]) -> None:
    spec = policy_for(rendered["own-namespace"], labels_of(Role.EXECUTOR))
    (into,) = spec["ingress"]
    (peer,) = into["from"]
    assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "genvm"}}
    assert selects(peer["podSelector"], manager_labels(rendered["own-namespace"]))
    assert into["ports"] == [{"port": CONNECTOR_PORT, "protocol": "TCP"}]


def test_named_nodes_are_reached_directly(rendered: dict[str, Rendered]) -> None:
    spec = policy_for(rendered["direct"], labels_of(Role.EXECUTOR))
    assert {"to": [{"ipBlock": {"cidr": "10.42.0.0/16"}}], "ports": [{"protocol": "TCP"}]} in spec["egress"]
    variable = rendered["direct"].environment()["GENVM_KUBERNETES_HOST_NETWORKS"]
    assert variable["value"] == "10.42.0.0/16"


def test_without_named_nodes_every_run_is_relayed(rendered: dict[str, Rendered]) -> None:
    assert rendered["defaults"].environment()["GENVM_KUBERNETES_HOST_NETWORKS"]["value"] == ""


def test_a_module_reaches_the_world_but_nothing_private(rendered: dict[str, Rendered]) -> None:
    for role in (Role.LLM, Role.WEB):
        spec = policy_for(rendered["defaults"], labels_of(role))
        world, names = spec["egress"]
        for block in world["to"]:
            assert block["ipBlock"]["cidr"] in ("0.0.0.0/0", "::/0")
            refused = block["ipBlock"]["except"]
            assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(refused) or {"fc00::/7", "fe80::/10"} <= set(
                refused
            )
        assert {port["port"] for port in names["ports"]} == {53}


def test_the_isolation_test_stands_under_the_instances_policy(rendered: dict[str, Rendered]) -> None:
    """Otherwise it would find out about somebody else."""
    for found in rendered.values():
        probes = [one for one in found.of_kind("Pod") if one["metadata"]["name"].endswith("-isolation")]
        assert len(probes) == bool(found.of_kind("NetworkPolicy"))
        for probe in probes:
            assert policy_for(found, probe["metadata"]["labels"]) == policy_for(
                found, labels_of(Role.EXECUTOR)
            )
            where = found.named("NetworkPolicy", "-instances")["metadata"]["namespace"]
            assert probe["metadata"]["namespace"] == where


def test_the_contract_test_gets_past_the_managers_policy(rendered: dict[str, Rendered]) -> None:
    for found in rendered.values():
        probe = found.named("Pod", "-contract")["metadata"]["labels"]
        assert not selects({"matchLabels": found.manager["spec"]["selector"]["matchLabels"]}, probe)
        for policy in found.of_kind("NetworkPolicy"):
            if policy["metadata"]["name"].endswith("-managers"):
                (rule,) = policy["spec"]["ingress"]
                assert any(
                    selects(peer["podSelector"], probe) for peer in rule["from"] if "podSelector" in peer
                )


def test_a_node_without_the_label_does_not(rendered: dict[str, Rendered]) -> None:
    spec = policy_for(rendered["defaults"], manager_labels(rendered["defaults"]))
    (rule,) = spec["ingress"]
    assert all(not selects(peer["podSelector"], labels_of(Role.WEB)) for peer in rule["from"])


def test_no_budget_stands_over_instances_and_none_over_a_single_manager(
    rendered: dict[str, Rendered],
) -> None:
    assert rendered["defaults"].of_kind("PodDisruptionBudget") == []
    (budget,) = rendered["several"].of_kind("PodDisruptionBudget")
    assert budget["spec"]["maxUnavailable"] == 1
    assert not selects(budget["spec"]["selector"], labels_of(Role.EXECUTOR))
    assert selects(budget["spec"]["selector"], manager_labels(rendered["several"]))


def test_a_manager_has_longer_than_its_own_way_to_the_end(rendered: dict[str, Rendered]) -> None:
    def grace(name: str) -> int:
        return int(rendered[name].manager["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])

    for name, found in rendered.items():
        variables = found.environment()
        draining = variables["GENVM_SHUTDOWN_POLICY"]["value"] == "drain"
        own = int(variables["GENVM_SHUTDOWN_TIMEOUT"]["value"])
        own += int(variables["GENVM_DRAIN_TIMEOUT"]["value"]) if draining else 0
        assert grace(name) >= own + 10


def test_a_manager_that_is_slow_loses_its_new_clients_long_before_it_is_ended(
    rendered: dict[str, Rendered],
) -> None:
    """In a steady overload each of its probes waits in one line with its clients, for some 5 s."""
    (container,) = rendered["several"].manager["spec"]["template"]["spec"]["containers"]
    ready, live = container["readinessProbe"], container["livenessProbe"]
    assert live["timeoutSeconds"] >= 3 * ready["timeoutSeconds"]
    assert live["failureThreshold"] * live["timeoutSeconds"] >= 60


def test_an_upgrade_leaves_runs_to_the_next_manager(rendered: dict[str, Rendered]) -> None:
    """The same volume under the same name: it knows its runs by what is on it."""
    found = rendered["defaults"]
    assert found.environment()["GENVM_SHUTDOWN_POLICY"]["value"] == "detach"
    (claim,) = found.manager["spec"]["volumeClaimTemplates"]
    (mount,) = [
        one
        for one in found.manager["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        if one["name"] == claim["metadata"]["name"]
    ]
    # Below the mount, whose mode is the cluster's; the manager gives its own directory its own.
    assert found.environment()["GENVM_STATE_DIR"]["value"].startswith(mount["mountPath"] + "/")


def test_a_manager_is_nobody_elses_namesake(helm: HelmEngine, rendered: dict[str, Rendered]) -> None:
    """Its id is a label and a row's owner, in a namespace and a database that others may share."""

    def prefix(found: Rendered) -> str:
        variables = found.environment()
        assert variables["POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        head, name, rest = variables["GENVM_MANAGER_ID"]["value"].partition("-$(POD_NAME)")
        assert (name, rest) == ("-$(POD_NAME)", "")
        return str(head)

    assert prefix(rendered["several"]) == prefix(rendered["defaults"])
    assert prefix(helm.render({"fullnameOverride": "other"})) != prefix(rendered["defaults"])


def test_an_uninstallation_ends_the_instances_of_its_own_managers(
    helm: HelmEngine, rendered: dict[str, Rendered]
) -> None:
    found = rendered["own-namespace"]
    hooks = [
        one for one in found.objects if one["metadata"].get("annotations", {}).get(HOOK) == "post-delete"
    ]
    order = sorted(hooks, key=lambda one: int(one["metadata"]["annotations"][f"{HOOK}-weight"]))
    assert [one["kind"] for one in order][2:] == ["RoleBinding", "Job"]
    (container,) = order[-1]["spec"]["template"]["spec"]["containers"]
    prefix = found.environment()["GENVM_MANAGER_ID"]["value"].removesuffix("$(POD_NAME)")
    assert container["command"][-2:] == ["--namespace=genvm-runs", f"--managers={prefix}"]
    assert make_parser().parse_args(container["command"][1:]).managers == prefix
    assert not selects(found.manager["spec"]["selector"], order[-1]["spec"]["template"]["metadata"]["labels"])
    assert helm.render({"uninstall": {"reap": False}}).of_kind("Job") == []


HOOK = "helm.sh/hook"


@pytest.mark.parametrize(("name", "elsewhere"), [("defaults", set()), ("own-namespace", {"genvm-runs"})])
def test_what_helm_tests_is_pods_and_their_logs_are_where_it_looks(
    rendered: dict[str, Rendered], name: str, elsewhere: set[str]
) -> None:
    """`helm test --logs` (Helm 4.2) asks the release's namespace for the log of a Pod by each hook's name.

    It fails over a hook that is none, a ConfigMap, or is elsewhere: then the notes do not ask for logs.
    """
    found = rendered[name]
    hooks = [one for one in found.objects if one["metadata"].get("annotations", {}).get(HOOK) == "test"]
    assert {one["kind"] for one in hooks} == {"Pod"}
    assert {one["metadata"]["namespace"] for one in hooks} == {NAMESPACE} | elsewhere
    assert ("test demo --logs" in found.notes) is (not elsewhere)


def test_the_commands_of_the_chart_are_the_managers(rendered: dict[str, Rendered]) -> None:
    (manager,) = rendered["defaults"].manager["spec"]["template"]["spec"]["containers"]
    assert make_parser().parse_args(manager["args"]).command == "serve"
    (contract,) = rendered["defaults"].named("Pod", "-contract")["spec"]["containers"]
    assert make_parser().parse_args(contract["command"][1:]).listen == "$(POD_IP)"


def test_several_managers_reach_each_other_with_a_secret_of_theirs(rendered: dict[str, Rendered]) -> None:
    """Lone ones know of no others."""
    assert "GENVM_CLUSTER_ADDRESS" not in rendered["postgresql"].environment()
    knows_the_others(rendered["several"])


def test_the_last_of_several_knows_that_there_were_others(helm: HelmEngine) -> None:
    """It takes over what those that are scaled away leave."""
    knows_the_others(helm.render(combinations()["several"] | {"replicas": 1}))


def knows_the_others(several: Rendered) -> None:
    variables = several.environment()
    name = several.named("Service", "-each")["metadata"]["name"]
    assert variables["GENVM_CLUSTER_ADDRESS"]["value"] == f"http://$(POD_NAME).{name}.genvm.svc:3999"
    pod = several.manager["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "managers"]
    assert volume["secret"]["defaultMode"] == 0o440
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "managers"]
    assert variables["GENVM_CLUSTER_SECRET_FILE"]["value"].startswith(mount["mountPath"])
    policy = several.named("NetworkPolicy", "-managers")
    peers = [one["podSelector"] for one in policy["spec"]["ingress"][0]["from"] if "podSelector" in one]
    assert any(selects(peer, manager_labels(several)) for peer in peers)


def test_several_managers_each_keep_their_clients(rendered: dict[str, Rendered]) -> None:
    """Who has a run answers without asking another."""
    service = rendered["several"].named("Service", "demo-genvm-orchestrator")
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    each = rendered["several"].named("Service", "-each")
    assert each["spec"]["clusterIP"] == "None"
    assert rendered["several"].manager["spec"]["serviceName"] == each["metadata"]["name"]
    assert rendered["several"].notes.count("-each.genvm.svc:3999") == 3


def test_a_changed_setting_restarts_the_manager(helm: HelmEngine, rendered: dict[str, Rendered]) -> None:
    def checksum(found: Rendered) -> str:
        return str(found.manager["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum(helm.render({"settings": {"retention": 60}})) != checksum(rendered["defaults"])
    assert checksum(rendered["several"]) == checksum(rendered["defaults"])


def test_large_numbers_keep_their_digits(helm: HelmEngine) -> None:
    values: dict[str, Any] = {"instances": {"executor": {"memoryMiB": 5120, "cpus": 0.5}}}
    variables = helm.render(values).environment()
    assert variables["GENVM_INSTANCE_MEMORY_BYTES"]["value"] == "5368709120"
    assert variables["GENVM_INSTANCE_CPUS"]["value"] == "0.5"


def test_the_tokens_file_is_closed_to_others(rendered: dict[str, Rendered]) -> None:
    pod = rendered["tokens"].manager["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "tokens"]
    assert volume["secret"]["defaultMode"] == 0o440
    assert pod["securityContext"]["fsGroup"] == 64321
    assert "GENVM_ALLOW_UNAUTHENTICATED" not in rendered["tokens"].environment()


def test_the_notes_say_what_is_unsafe(rendered: dict[str, Rendered]) -> None:
    assert "NO TOKENS" in rendered["defaults"].notes
    assert "NO TOKENS" not in rendered["tokens"].notes
    assert "NO VOLUME" in rendered["throw-away"].notes
    assert "NO NETWORK POLICIES" in rendered["throw-away"].notes
    assert "Move it to postgresql.existingSecret" in rendered["demo-database"].notes
    assert "a namespace of their own" not in " ".join(rendered["own-namespace"].notes.lower().split())


def test_every_pod_of_the_chart_runs_where_managers_may(helm: HelmEngine) -> None:
    """On a cluster whose machines all have a taint, the hooks would wait for ever."""
    machines: Object = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
    }
    where = {
        "nodeSelector": {"pool": "genvm"},
        "tolerations": [{"key": "genvm", "operator": "Exists"}],
        "priorityClassName": "high",
    }
    apart: Object = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}
    pods = helm.render(where | {"affinity": machines | apart}).pods
    assert {name.removeprefix("demo-genvm-orchestrator") for name in pods} == {
        "",
        "-reap",
        "-test-contract",
        "-test-isolation",
    }
    for pod in pods.values():
        assert pod.items() >= where.items()
        assert pod["affinity"]["nodeAffinity"] == machines["nodeAffinity"]
    # What keeps managers apart from each other would keep a test away from all of them.
    assert [pod for pod in pods.values() if "podAntiAffinity" in pod["affinity"]] == [
        pods["demo-genvm-orchestrator"]
    ]


def test_who_makes_the_rights_makes_all_of_them(helm: HelmEngine) -> None:
    """The hook of an uninstallation too takes those that it is given; by a name that is known before."""
    found = helm.render({"instances": {"createRole": False}})
    assert found.of_kind("Role") == found.of_kind("RoleBinding") == []
    (job,) = found.of_kind("Job")
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "demo-genvm-orchestrator-reap"
    assert found.named("ServiceAccount", "-reap")["metadata"]["namespace"] == "genvm"


def test_names_are_looked_up_where_the_cluster_has_that(helm: HelmEngine) -> None:
    """OpenShift's are elsewhere and have another port; a cache on each machine is an address."""
    peers = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "openshift-dns"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
    ]
    found = helm.render({"networkPolicy": {"dns": {"peers": peers, "port": 5353}}})
    _, names = policy_for(found, labels_of(Role.WEB))["egress"]
    ports = [{"port": 5353, "protocol": protocol} for protocol in ("UDP", "TCP")]
    assert names == {"to": peers, "ports": ports}
    # A rule without peers would be one for everybody.
    none = helm.render({"networkPolicy": {"dns": {"peers": []}}})
    assert len(policy_for(none, labels_of(Role.WEB))["egress"]) == 1
