"""A container engine of a test's own, to be stopped and killed at will."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from tests.until import wait_until

START_BOUND = 60.0
IMAGES = ("genvm-base:latest", "genvm-executor:latest")
# In a network of its own: told to have no bridge, an engine removes that of the machine's other engine.
ALONE = ("unshare", "--net", "dockerd")
# The same with users of its own, which the machine's own files need not know of.
REMAPPED = (
    "unshare", "--net", "--mount", "sh", "-c",
    'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid &&'
    ' exec dockerd --userns-remap=daemon "$@"',
)  # fmt: skip
SUBORDINATE = "daemon:300000:65536\n"
NO_NETWORK = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")


def possible() -> bool:
    """Whether this machine lets us start an engine: that takes root and Docker's own daemon."""
    return os.geteuid() == 0 and all(shutil.which(program) for program in ("dockerd", "unshare"))


@dataclass
class PrivateEngine:
    """A `dockerd` whose files are all below `folder`. With `live_restore` containers outlive it."""

    folder: Path
    live_restore: bool
    flags: tuple[str, ...] = ()
    remapped: bool = False
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    def start(self) -> None:
        """Returns when it answers."""
        places = {"--data-root": "data", "--exec-root": "exec", "--pidfile": "pid"}
        flags = [f"{flag}={self.folder / name}" for flag, name in places.items()]
        if self.live_restore:
            flags.append("--live-restore")
        flags += self.flags
        with (self.folder / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._program(), "--host", self.url, *NO_NETWORK, *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(lambda: self.answers() or self._ended())
        assert not self._ended(), (self.folder / "dockerd.log").read_text()[-2000:]

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def _program(self) -> tuple[str, ...]:
        if not self.remapped:
            return ALONE
        self.folder.chmod(0o711)
        ids = self.folder / "ids"
        ids.write_text(SUBORDINATE)
        return (*REMAPPED, str(ids))

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Returns when its process has ended."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(START_BOUND)
            self.process = None
            # One that was killed leaves ids behind, its own and its containerd's, which died with it. Where
            # nobody reaps orphans these look alive for ever, and the next engine would wait for them.
            for stale in ("pid", "exec/containerd/containerd.pid"):
                (self.folder / stale).unlink(missing_ok=True)

    def load(self, source: docker.APIClient, images: Sequence[str]) -> None:
        """Take images over from another engine."""
        own = docker.APIClient(base_url=self.url, version="auto", timeout=120)
        try:
            for image in images:
                own.load_image(source.get_image(image))  # type: ignore[no-untyped-call]
        finally:
            own.close()

    def answers(self) -> bool:
        """Asked without the SDK, which leaks the socket of a connection that is refused."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(5)
            try:
                asking.connect(str(self.folder / "docker.sock"))
                asking.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in asking.recv(4096).partition(b"\r\n")[0]
            except OSError:
                return False


@contextmanager
def private_engine(
    source: docker.APIClient,
    *,
    live_restore: bool,
    images: Sequence[str] = IMAGES,
    flags: Sequence[str] = (),
    remapped: bool = False,
) -> Iterator[PrivateEngine]:
    """A running engine that has the images; at the end nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="genvm-engine-"))
    engine = PrivateEngine(folder, live_restore, tuple(flags), remapped)
    engine.start()
    try:
        engine.load(source, images)
        yield engine
    finally:
        engine.stop()
        if engine.live_restore:
            # Its containers outlive it, and keep their mounts; another one without it ends them.
            engine.live_restore = False
            engine.start()
            engine.stop()
        _unmount_below(folder)
        shutil.rmtree(folder)


def _unmount_below(folder: Path) -> None:
    """An engine that was killed leaves mounts, which nobody could remove as directories."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    for mount in sorted((one for one in mounts if Path(one).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=True)
