"""What an engine and a state directory hold for a manager, and what of it belongs to no run.

Only containers with this manager's label are looked at, whatever their age or state: two managers on one
engine never see each other's.
"""

from __future__ import annotations

from docker.errors import DockerException

from orchestrator.kits.kit import Found
from orchestrator.runtime.docker.engine import Client, translate
from orchestrator.runtime.docker.options import managed_filter
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.rendezvous import InstanceDirectories

LIST_TIMEOUT = 15.0


def survey_engine(settings: DockerSettings) -> list[Found]:
    """Containers of the settings' manager in every state, and directories. Blocking.

    Raises EngineUnreachable, EngineRefused.
    """
    directories = set(InstanceDirectories(settings.state_dir.absolute()).names())
    client = Client(settings, "survey", 1, LIST_TIMEOUT)
    try:
        listed = client.connected().containers(all=True, filters={"label": managed_filter(settings)})
    except (DockerException, OSError) as error:
        raise translate(error) from error
    finally:
        client.close()
    found = {}
    for container in listed:
        labels = container.get("Labels") or {}
        name = labels.get(settings.label_prefix + "instance") or str(container["Id"])
        execution = labels.get(settings.label_prefix + "execution", "")
        found[name] = Found(
            name, str(container["Id"]), int(execution) if execution.isdecimal() else None, name in directories
        )
    for name in directories - found.keys():
        found[name] = Found(name, None, None, True)
    return sorted(found.values(), key=lambda one: one.name)
