"""Moves Pods of the suite's API server through lives that were recorded on a real node."""

from __future__ import annotations

from typing import Any

from tests.kubernetes.kube_copies import copied
from tests.kubernetes.kube_store import Store
from tests.kubernetes.kube_vectors import lives

_NAMES = {"c": "executor", "side": "connector"}


class Kubelet:
    """Steps are taken one by one, by the test: there is no clock in it."""

    def __init__(self, store: Store, namespace: str = "gv") -> None:
        self.store = store
        self.namespace = namespace

    def live(self, name: str, cause: str, *, until: int | None = None, address: str | None = None) -> None:
        """Take all steps of a life, or those before `until`. `address`: of the Pod, once it has one."""
        for event in lives()[cause][:until]:
            self.step(name, event, address)

    def step(self, name: str, event: dict[str, Any], address: str | None = None) -> None:
        if event["type"] == "DELETED":
            self.store.remove("pods", self.namespace, name)
            return
        status = copied(event["status"])
        if address is not None and "podIP" in status:
            status["podIP"] = address
        for key in ("containerStatuses", "initContainerStatuses"):
            for entry in status.get(key) or []:
                entry["name"] = _NAMES.get(entry["name"], entry["name"])

        def edit(pod: dict[str, Any]) -> None:
            pod["status"] = status
            if _scheduled(status):
                pod["spec"].setdefault("nodeName", "node")
            if event["deletionTimestamp"]:
                pod["metadata"].setdefault("deletionTimestamp", self.store.moment(1))
                pod["metadata"].setdefault("deletionGracePeriodSeconds", 1)

        self.store.change("pods", self.namespace, name, edit)


def _scheduled(status: dict[str, Any]) -> bool:
    conditions = status.get("conditions", [])
    return not any((one["type"], one["status"]) == ("PodScheduled", "False") for one in conditions)
