"""Images that compose files pull, made of this machine's own programs: CI reaches no registry of images.

An image has nothing but names. Its programs are this machine's, mounted (`stand_ins_*.yaml`), and are the
real ones: what is stood in for is how each image starts its program, as its makers document it.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.postgres import server_program
from tests.unpacked import unpacked

ROOT = Path(__file__).resolve().parents[2]
LINKS = ("bin", "sbin", "lib", "lib64", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/share")
"""To what of the machine's /usr is mounted at /host/usr."""
PEOPLE = ("root:0", "postgres:999", "haproxy:99", "nobody:65534")
START_POSTGRESQL = """#!/bin/sh
# As the official image's entry point: a first start makes the cluster, in folders that are made its own.
set -eu
case "${1:-}" in -*) set -- postgres "$@" ;; esac
mkdir -p "$PGDATA" /var/run/postgresql
chmod 3777 /var/run/postgresql
chown -R postgres "$PGDATA" /var/run/postgresql
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    $as initdb -D "$PGDATA" -U "$POSTGRES_USER" -A "$POSTGRES_HOST_AUTH_METHOD" -E UTF8 --no-sync
    echo "CREATE DATABASE $POSTGRES_DB" | $as postgres --single -D "$PGDATA" postgres
fi
exec $as "$@"
"""


@dataclass(frozen=True, slots=True)
class StandIn:
    """What an image says of itself: the words of a Dockerfile, and its entry point as a script."""

    name: str
    variable: str
    """By which compose files take another image than the one that they pull."""
    words: tuple[str, ...]
    script: str = ""


def postgresql() -> StandIn:
    """`postgres`, as compose files start it."""
    programs = Path(server_program("initdb")).resolve().parent
    path = f"/host{programs}:/usr/sbin:/usr/bin:/sbin:/bin"
    return StandIn(
        "postgresql",
        "GENVM_POSTGRESQL_IMAGE",
        (
            f"ENV PATH={path} PGDATA=/var/lib/postgresql/data",
            'ENTRYPOINT ["/start"]',
            'CMD ["postgres"]',
        ),
        START_POSTGRESQL,
    )


def haproxy() -> StandIn:
    """`haproxy`, which reads its configuration where it is mounted."""
    start = [_inside(unpacked("haproxy")), "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
    words = (f"ENTRYPOINT {json.dumps(start)}", "USER haproxy")
    return StandIn("haproxy", "GENVM_PROXY_IMAGE", words)


def prometheus() -> StandIn:
    """`prom/prometheus`, which takes its flags as the command and owns its folder."""
    start = [_inside(unpacked("prometheus"))]
    words = (f"ENTRYPOINT {json.dumps(start)}", "USER nobody", "WORKDIR /prometheus")
    return StandIn("prometheus", "GENVM_PROMETHEUS_IMAGE", words)


def _inside(program: str) -> str:
    """Where a program of this machine is in the container: what is unpacked is at its own path."""
    return f"/host{program}" if program.startswith("/usr/") else program


@contextmanager
def images(engine: docker.APIClient, stand_ins: Sequence[StandIn]) -> Iterator[dict[str, str]]:
    """The variables with which compose files take them; the images are gone afterwards."""
    made = {}
    try:
        for one in stand_ins:
            reference = f"genvm-stand-in-{one.name}:latest"
            engine.import_image_from_data(
                _root(one), repository=reference.partition(":")[0], tag="latest", changes=list(one.words)
            )
            made[one.variable] = reference
        yield made | {"GENVM_TEST_UNPACKED": str(ROOT / ".venv")}
    finally:
        for reference in made.values():
            engine.remove_image(reference, force=True)


def _root(one: StandIn) -> bytes:
    """The image's only layer."""
    people = "".join(f"{name}:x:{number}:{number}::/:/bin/sh\n" for name, number in _numbers())
    groups = "".join(f"{name}:x:{number}:\n" for name, number in _numbers())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in LINKS:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"/host/usr/{Path(name).name}"
            tar.addfile(link)
        for name, owner in (("tmp", 0), ("prometheus", 65534)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, 0o1777, owner, owner
            tar.addfile(folder)
        for name, text in (("etc/passwd", people), ("etc/group", groups), ("start", one.script)):
            file = tarfile.TarInfo(name)
            file.mode, file.size = 0o755, len(text)
            tar.addfile(file, io.BytesIO(text.encode()))
    return packed.getvalue()


def _numbers() -> list[tuple[str, int]]:
    return [(name, int(number)) for name, number in (one.split(":") for one in PEOPLE)]
