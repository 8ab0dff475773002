"""The suite's API server on Pods and Leases: what is valid, filled in, immutable, and deleted how."""

from __future__ import annotations

import re
from typing import Any

from tests.kubernetes.kube_admission import containers, quantity
from tests.kubernetes.kube_copies import copied
from tests.kubernetes.kube_statuses import Refusal, conflict, invalid
from tests.kubernetes.kube_store import Store

Json = dict[str, Any]
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_KEY_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{6})Z")
_POD_FIELDS = {"apiVersion", "kind", "metadata", "spec", "status"}
_GATED = ("stopSignal",)
_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds`"
)
ANNOTATIONS_LIMIT = 262144


def unknown_fields(pod: Json) -> list[str]:
    return sorted(set(pod) - _POD_FIELDS)


def drop_unknown(pod: Json) -> None:
    """Fields that the server does not know, or whose feature is off, go without a word."""
    for key in unknown_fields(pod):
        del pod[key]
    for container in containers(pod["spec"]):
        for key in _GATED:
            (container.get("lifecycle") or {}).pop(key, None)


def well_formed(pod: Json) -> None:
    """Raises Refusal, 400."""
    for container in containers(pod["spec"]):
        for kind in ("requests", "limits"):
            for text in ((container.get("resources") or {}).get(kind) or {}).values():
                quantity(text)


def validate(pod: Json) -> None:
    """Raises Refusal, 422."""
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    if NAME.fullmatch(name) is None:
        raise invalid("Pod", name, "metadata.name", "Invalid value", f'Invalid value: "{name}": {_NAME_RULE}')
    _metadata("Pod", metadata)
    if (policy := spec.get("restartPolicy", "Always")) not in ("Always", "OnFailure", "Never"):
        why = f'Unsupported value: "{policy}": supported values: "Always", "OnFailure", "Never"'
        raise invalid("Pod", name, "spec.restartPolicy", "Unsupported value", why)
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        why = "Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"
        raise invalid("Pod", name, "spec.dnsConfig.nameservers", "Required value", why)
    _deadline(name, spec)
    for index, container in enumerate(spec["containers"]):
        _container(name, spec, index, container)


def _deadline(name: str, spec: Json) -> None:
    seconds = spec.get("activeDeadlineSeconds")
    if seconds is not None and not 1 <= seconds <= 2147483647:
        why = f"Invalid value: {seconds}: must be between 1 and 2147483647, inclusive"
        raise invalid("Pod", name, "spec.activeDeadlineSeconds", "Invalid value", why)


def _container(name: str, spec: Json, index: int, container: Json) -> None:
    resources = container.get("resources") or {}
    for resource, asked in (resources.get("requests") or {}).items():
        most = (resources.get("limits") or {}).get(resource)
        if most is not None and quantity(asked) > quantity(most):
            why = f'Invalid value: "{asked}": must be less than or equal to {resource} limit of {most}'
            raise invalid("Pod", name, f"spec.containers[{index}].resources.requests", "Invalid value", why)
    security = container.get("securityContext") or {}
    if security.get("procMount") == "Unmasked" and spec.get("hostUsers") is not False:
        why = 'Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`'
        field = f"spec.containers[{index}].securityContext.procMount"
        raise invalid("Pod", name, field, "Invalid value", why)


def _metadata(kind: str, metadata: Json) -> None:
    name = metadata["name"]
    for key, value in (metadata.get("labels") or {}).items():
        if _LABEL.fullmatch(key.rpartition("/")[2]) is None:
            why = f'Invalid value: "{key}": {_KEY_RULE}'
            raise invalid(kind, name, "metadata.labels", "Invalid value", why)
        if len(value) > 63:
            why = f'Invalid value: "{value}": must be no more than 63 bytes'
            raise invalid(kind, name, "metadata.labels", "Invalid value", why)
        if _LABEL.fullmatch(value) is None:
            why = f'Invalid value: "{value}": a valid label must be an empty string or consist of …'
            raise invalid(kind, name, "metadata.labels", "Invalid value", why)
    notes = metadata.get("annotations") or {}
    if sum(len(key) + len(value) for key, value in notes.items()) > ANNOTATIONS_LIMIT:
        why = f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"
        raise invalid(kind, name, "metadata.annotations", "Too long", why)
    for index, text in enumerate(metadata.get("finalizers") or []):
        if "/" not in text:
            rule = "name is neither a standard finalizer name nor is it fully qualified"
            why = f'Invalid value: "{text}": {rule}'
            raise invalid(kind, name, f"metadata.finalizers[{index}]", "Invalid value", why)


def fill_in(pod: Json) -> None:
    """What a server adds to every Pod."""
    spec = pod["spec"]
    pod["status"] = {"phase": "Pending", "qosClass": "Burstable"}
    pod["metadata"]["generation"] = 1
    pod["metadata"]["managedFields"] = [{"manager": "suite", "operation": "Update"}]
    for key, value in {
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "serviceAccountName": "default",
        "priority": 0,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
    }.items():
        spec.setdefault(key, value)
    spec.setdefault("tolerations", []).append(
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    )


def ask_for_limits(pod: Json) -> None:
    """What a container may have and does not ask for, it asks for."""
    for container in containers(pod["spec"]):
        resources = container.setdefault("resources", {})
        if limits := resources.get("limits"):
            resources["requests"] = {**limits, **(resources.get("requests") or {})}


def validate_change(before: Json, after: Json) -> None:
    """Raises Refusal, 422, for a change of what is immutable."""
    name = before["metadata"]["name"]
    _metadata("Pod", after["metadata"])
    if before["metadata"].get("deletionTimestamp"):
        known = before["metadata"].get("finalizers") or []
        more = [text for text in after["metadata"].get("finalizers") or [] if text not in known]
        if more:
            listed = ", ".join(f'"{text}"' for text in more)
            why = (
                "Forbidden: no new finalizers can be added if the object is being deleted, found new "
                f"finalizers []string{{{listed}}}"
            )
            raise invalid("Pod", name, "metadata.finalizers", "Forbidden", why)
    had, wanted = (value["spec"].get("activeDeadlineSeconds") for value in (before, after))
    if had is not None and (wanted is None or wanted > had):
        shown = "null" if wanted is None else wanted
        rule = (
            "must not update from a positive integer to nil value"
            if wanted is None
            else "must be less than or equal to previous value"
        )
        why = f"Invalid value: {shown}: {rule}"
        raise invalid("Pod", name, "spec.activeDeadlineSeconds", "Invalid value", why)
    if _fixed_part(before) != _fixed_part(after):
        raise invalid("Pod", name, "spec", "Forbidden", f"Forbidden: {_FIXED}")
    validate(after)


def _fixed_part(pod: Json) -> Json:
    spec = copied(pod["spec"])
    for key in ("activeDeadlineSeconds", "tolerations"):
        spec.pop(key, None)
    for container in containers(spec):
        container.pop("image", None)
    return dict(spec)


def delete(store: Store, namespace: str, name: str, order: Json) -> Json:
    """Mark a Pod as going, or take it away at once. Raises Refusal, 409, for another's preconditions."""
    pod = store.objects[("pods", namespace, name)]
    metadata = pod["metadata"]
    for key, field in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        wanted = (order.get("preconditions") or {}).get(key)
        if wanted is not None and wanted != metadata[key]:
            then = "deleted and then recreated" if key == "uid" else "modified"
            why = (
                f"the {field} in the precondition ({wanted}) does not match the {field} in record "
                f"({metadata[key]}). The object might have been {then}"
            )
            refusal = conflict("Pod", name, why)
            raise refusal
    grace = order.get("gracePeriodSeconds", pod["spec"]["terminationGracePeriodSeconds"])
    grace = 1 if grace < 0 else grace
    over = pod["status"]["phase"] in ("Succeeded", "Failed") or not pod["spec"].get("nodeName")
    held = bool(metadata.get("finalizers"))
    grace = 0 if over else grace
    if metadata.get("deletionTimestamp") and grace >= metadata["deletionGracePeriodSeconds"]:
        return copied(pod)
    last = store.change("pods", namespace, name, lambda value: _going(store, value, grace))
    return last if grace or held else store.remove("pods", namespace, name, last)


def _going(store: Store, pod: Json, grace: int) -> None:
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp"):
        metadata["generation"] = metadata.get("generation", 0) + 1
    metadata |= {"deletionTimestamp": store.moment(grace), "deletionGracePeriodSeconds": grace}


def well_formed_lease(lease: Json) -> None:
    """Raises Refusal, 400: moments of a Lease have six decimals."""
    for key in ("acquireTime", "renewTime"):
        text = (lease.get("spec") or {}).get(key)
        if text is not None and _MOMENT.fullmatch(text) is None:
            rest = text[19:]
            raise Refusal(
                400,
                'Lease in version "v1" cannot be handled as a Lease: parsing time '
                f'"{text}" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "{rest}" as ".000000"',
            )


def validate_lease(lease: Json) -> None:
    """Raises Refusal, 422."""
    seconds = (lease.get("spec") or {}).get("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        why = f"Invalid value: {seconds}: must be greater than 0"
        name = lease["metadata"]["name"]
        field = "spec.leaseDurationSeconds"
        raise invalid("Lease.coordination.k8s.io", name, field, "Invalid value", why)
