"""A Pod's containers as the local engine is asked for them: one network for all, and shared volumes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors

from tests.kubernetes.kube_admission import quantity

Json = dict[str, Any]
PAUSE = ["sleep", "infinity"]


def pause_body(pod: Json, labels: dict[str, str], image: str) -> Json:
    """What holds the Pod's network while its containers come and go."""
    return {
        "Image": image,
        "Entrypoint": PAUSE,
        "Labels": labels,
        "Hostname": pod["spec"].get("hostname", pod["metadata"]["name"])[:63],
        "HostConfig": {
            "NetworkMode": "bridge",
            "Memory": 32 * 1024 * 1024,
            "Dns": ["127.0.0.1"],
            # To compile the engine's filter takes runc 25 ms, for a program that only sleeps.
            "SecurityOpt": ["seccomp=unconfined"],
        },
    }


def container_body(pod: Json, container: Json, labels: dict[str, str], pause: str, volumes: Path) -> Json:
    """One of a Pod's containers, with as much of its securityContext as this engine knows."""
    spec = pod["spec"]
    security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
    limits, requests = ((container.get("resources") or {}).get(key, {}) for key in ("limits", "requests"))
    memory = int(quantity(limits["memory"])) if "memory" in limits else 0
    body: Json = {
        "Image": container["image"],
        "Labels": labels | {"container": container["name"]},
        "Env": [f"{one['name']}={one['value']}" for one in container.get("env", [])],
        "User": f"{security['runAsUser']}:{security['runAsGroup']}",
        "HostConfig": {
            "NetworkMode": f"container:{pause}",
            "IpcMode": "private",
            "CapDrop": security["capabilities"]["drop"],
            "SecurityOpt": ["no-new-privileges:true"],
            "ReadonlyRootfs": security["readOnlyRootFilesystem"],
            "Memory": memory,
            "MemorySwap": memory,
            "NanoCpus": int(quantity(limits["cpu"]) * 10**9) if "cpu" in limits else 0,
            # As a kubelet does: who asks for a twentieth of a core gives way to who asks for a whole one.
            "CpuShares": max(2, int(quantity(requests["cpu"]) * 1024)) if "cpu" in requests else 2,
            **_mounts(pod, container, volumes),
        },
    }
    for key, here in (("command", "Entrypoint"), ("args", "Cmd"), ("workingDir", "WorkingDir")):
        if key in container:
            body[here] = container[key]
    return body


def _mounts(pod: Json, container: Json, volumes: Path) -> Json:
    """A volume that two containers mount is a directory of this machine; the others are their own memory."""
    sizes = {one["name"]: one["emptyDir"]["sizeLimit"] for one in pod["spec"]["volumes"]}
    everybodys = [one for every in _containers(pod) for one in every["volumeMounts"]]
    shared = {one["name"] for one in everybodys if sum(o["name"] == one["name"] for o in everybodys) > 1}
    tmpfs, binds = {}, []
    for mount in container["volumeMounts"]:
        name, path = mount["name"], mount["mountPath"]
        if name in shared:
            place = volumes / name
            place.mkdir(exist_ok=True)
            place.chmod(0o777)
            binds.append(f"{place}:{path}:{'ro' if mount.get('readOnly') else 'rw'}")
        else:
            tmpfs[path] = f"rw,mode=1777,size={int(quantity(sizes[name]))}"
    return {"Tmpfs": tmpfs, "Binds": binds}


def _containers(pod: Json) -> list[Json]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def address_of(engine: docker.APIClient, container: str) -> str:
    found = engine.inspect_container(container)["NetworkSettings"]["IPAddress"]
    assert found
    return str(found)


def removed(container: str, engine: docker.APIClient) -> None:
    """It is gone then, whoever else removes it."""
    try:
        engine.remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "in progress" not in str(error.explanation):
            raise
        with suppress(docker.errors.NotFound):
            engine.wait(container, condition="removed")


def ended_state(engine: docker.APIClient, container: str) -> Json:
    """As a kubelet tells of it, with the tail of the output of what failed."""
    state = engine.inspect_container(container)["State"]
    code = state["ExitCode"]
    reason = "OOMKilled" if state["OOMKilled"] else "Error" if code else "Completed"
    ended: Json = {"exitCode": code, "reason": reason}
    if code:
        tail = engine.logs(container, stdout=True, stderr=True, tail=80)
        ended["message"] = bytes(tail)[-2048:].decode("utf-8", "replace")
    return {"terminated": ended}
