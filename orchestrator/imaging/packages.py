"""The Debian packages an image installs, collected in a container of its parent.

Build steps have no network, so the packages and all they need are downloaded before: by the parent's own
apt, which knows what the image has already and checks Debian's signatures. Debian keeps only the newest
version of a package that gets security updates, such as a browser; versions are therefore not pinned.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.failures import BuildFailed, PackagesUnavailable
from orchestrator.imaging.recipes import Recipe

MIRROR = "http://deb.debian.org/debian"
SECURITY_MIRROR = "http://deb.debian.org/debian-security"

# A machine without address translation for its bridges still has its own network.
NETWORKS = ("default", "host")

COLLECTED = "/collected"

SCRIPT = """
set -eu
. /etc/os-release
mkdir -p /collected/partial
key=/usr/share/keyrings/debian-archive-keyring.gpg
cat > /tmp/collect.list << SOURCES
deb [signed-by=$key] $MIRROR $VERSION_CODENAME main
deb [signed-by=$key] $MIRROR $VERSION_CODENAME-updates main
deb [signed-by=$key] $SECURITY_MIRROR $VERSION_CODENAME-security main
SOURCES
apt() {
    apt-get --quiet=2 -o Dir::Etc::SourceList=/tmp/collect.list -o Dir::Etc::SourceParts=/dev/null \
        -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}
apt update
apt install --yes --no-install-recommends --download-only -o Dir::Cache::Archives=/collected $PACKAGES
"""


@contextmanager
def collected(
    engine: ImageEngine, recipe: Recipe, start: str, say: Callable[[str], None]
) -> Iterator[list[Path]]:
    """The `.deb` files that `recipe` adds to the image `start`; they live as long as the context.

    Raises PackagesUnavailable.
    """
    environment = {
        "MIRROR": os.environ.get("GENVM_DEBIAN_MIRROR") or MIRROR,
        "SECURITY_MIRROR": os.environ.get("GENVM_DEBIAN_SECURITY_MIRROR") or SECURITY_MIRROR,
        "PACKAGES": " ".join(recipe.packages),
    }
    with tempfile.TemporaryDirectory(prefix="genvm-packages-") as scratch:
        archive = Path(scratch) / "collected.tar"
        _download(engine, start, environment, archive, say)
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if member.isfile() and member.name.endswith(".deb"):
                    tar.extract(member, scratch, filter="data")
        archive.unlink()
        yield sorted(Path(scratch).rglob("*.deb"))


def _download(
    engine: ImageEngine,
    start: str,
    environment: dict[str, str],
    archive: Path,
    say: Callable[[str], None],
) -> None:
    failures = []
    for network in NETWORKS:
        try:
            with archive.open("wb") as target:
                engine.collect(start, SCRIPT, COLLECTED, target, environment=environment, network=network)
        except BuildFailed as failure:
            failures.append(str(failure))
            say(f"collecting Debian packages failed on the engine's {network} network")
        else:
            return
    raise PackagesUnavailable(
        "Debian's packages could not be collected; GENVM_DEBIAN_MIRROR and GENVM_DEBIAN_SECURITY_MIRROR name "
        "other mirrors:\n" + "\n".join(failures)
    )
