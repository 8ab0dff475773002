"""Which unix sockets are dialled: by where they lie and what they are, whatever they are called."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from orchestrator.executions.hosts import HostRefused
from orchestrator.executions.node_files import WAITING, MayWait, NodeFiles, PromptFiles
from orchestrator.executions.node_sockets import SocketRules

Bind = Callable[[Path], Path]


@pytest.fixture
def place() -> Iterator[Path]:
    """`nodes` is allowed, `state` is the manager's, `engine.sock` is another service's; short paths."""
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    for name in ("nodes", "state", "elsewhere"):
        (path / name).mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def bind() -> Iterator[Bind]:
    with ExitStack() as held:

        def listening(path: Path) -> Path:
            one = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            one.bind(str(path))
            one.listen(4)
            return path

        yield listening


@pytest.fixture
def rules(place: Path) -> SocketRules:
    return SocketRules((str(place / "nodes"),), (str(place / "state"),), (str(place / "engine.sock"),))


def verdict(rules: SocketRules, path: Path | str, files: NodeFiles) -> str:
    try:
        rules.hold(str(path), files).close()
    except MayWait:
        return "ask a thread"
    except (HostRefused, OSError) as refusal:
        return f"{type(refusal).__name__}: {refusal}"
    return "held"


def dial(rules: SocketRules, path: Path | str) -> None:
    """Connect as the manager does; what may be judged on the loop is judged alike. Raises HostRefused."""
    prompt = PromptFiles(frozenset({os.stat(tempfile.gettempdir()).st_dev}))  # noqa: PTH116
    judged = verdict(rules, path, WAITING)
    assert verdict(rules, path, prompt) in {judged, "ask a thread"}
    with rules.hold(str(path)) as held, socket.socket(socket.AF_UNIX) as connection:
        connection.connect(held.address)


def test_a_socket_in_a_nodes_directory_is_dialled(rules: SocketRules, place: Path, bind: Bind) -> None:
    (place / "nodes" / "run").mkdir()
    dial(rules, bind(place / "nodes" / "run" / "sock_0"))
    dial(rules, place / "nodes" / ".." / "nodes" / "run" / "sock_0")


def test_an_allowed_directory_may_be_a_link(place: Path, bind: Bind) -> None:
    (place / "link").symlink_to(place / "nodes")
    rules = SocketRules((str(place / "link"),))
    bind(place / "nodes" / "s")
    dial(rules, place / "nodes" / "s")
    dial(rules, place / "link" / "s")


@pytest.mark.parametrize("name", ["elsewhere/s", "engine.sock", "nodes/../elsewhere/s", "nodes-too"])
def test_a_socket_elsewhere_is_refused(rules: SocketRules, place: Path, bind: Bind, name: str) -> None:
    bind(place / name)
    with pytest.raises(HostRefused, match="GENVM_NODE_SOCKETS"):
        dial(rules, place / name)


def test_a_link_out_of_the_directory_is_refused(rules: SocketRules, place: Path, bind: Bind) -> None:
    bind(place / "elsewhere" / "s")
    (place / "nodes" / "file").symlink_to(place / "elsewhere" / "s")
    (place / "nodes" / "folder").symlink_to(place / "elsewhere")
    for name in ("file", "folder/s"):
        with pytest.raises(HostRefused, match="GENVM_NODE_SOCKETS"):
            dial(rules, place / "nodes" / name)


def test_a_link_that_stays_inside_is_followed(rules: SocketRules, place: Path, bind: Bind) -> None:
    bind(place / "nodes" / "s")
    (place / "elsewhere" / "link").symlink_to(place / "nodes" / "s")
    dial(rules, place / "elsewhere" / "link")


def test_the_engine_is_refused_by_its_inode(rules: SocketRules, place: Path, bind: Bind) -> None:
    os.link(bind(place / "engine.sock"), place / "nodes" / "innocent")
    with pytest.raises(HostRefused, match="another service's"):
        dial(rules, place / "nodes" / "innocent")


def test_the_engine_is_known_again_after_its_restart(rules: SocketRules, place: Path, bind: Bind) -> None:
    bind(place / "engine.sock").unlink()
    os.link(bind(place / "engine.sock"), place / "nodes" / "innocent")
    with pytest.raises(HostRefused, match="another service's"):
        dial(rules, place / "nodes" / "innocent")


def test_what_is_the_managers_own_is_refused_inside_an_allowed_directory(place: Path, bind: Bind) -> None:
    (place / "state" / "instances").mkdir()
    control = bind(place / "state" / "instances" / "control.sock")
    api = bind(place / "api.sock")
    os.link(api, place / "nodes" / "api")
    rules = SocketRules((str(place),), (str(place / "state"), str(api)))
    for path in (control, api, place / "nodes" / "api"):
        with pytest.raises(HostRefused, match="the manager's own"):
            dial(rules, path)


@pytest.mark.parametrize(
    "root",
    ["/proc/self/root", f"/proc/{os.getpid()}/root", "/dev/fd/../root"],
    ids=["self", "number", "descriptors"],
)
def test_paths_through_proc_lead_where_they_lead(
    rules: SocketRules, place: Path, bind: Bind, root: str
) -> None:
    bind(place / "elsewhere" / "s")
    with pytest.raises((HostRefused, OSError)):
        dial(rules, f"{root}{place}/elsewhere/s")


def test_an_open_descriptor_of_the_manager_is_no_node(place: Path) -> None:
    rules = SocketRules(("/",))
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(HostRefused):
        dial(rules, f"/proc/self/fd/{ours.fileno()}")


@pytest.mark.parametrize("kernel", ["/proc/x", "/sys/kernel/x", "/dev/log", "/dev/shm/x"])
def test_the_kernels_directories_are_refused_even_where_everything_is_allowed(kernel: str) -> None:
    with pytest.raises(HostRefused):
        SocketRules(("/",)).judge_missing(kernel)


@pytest.mark.parametrize("path", ["//proc/1/root/run/docker.sock", "//dev/log", "//proc/self/fd/0"])
def test_two_slashes_at_the_start_are_one(rules: SocketRules, place: Path, path: str) -> None:
    with pytest.raises(HostRefused, match="/proc, /sys, /dev"):
        dial(rules, path)
    with pytest.raises(HostRefused, match="/proc, /sys, /dev"):
        SocketRules(("/",)).judge_missing(path)
    rules.judge_missing(f"/{place}/nodes/soon")


def test_a_link_that_cannot_be_followed_is_refused(
    rules: SocketRules, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one into another user's process: whoever asks gets a refusal, not a defect."""

    def denied(path: str, **_: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "readlink", denied)
    (place / "nodes" / "link").symlink_to("/proc/1/root/s")
    with pytest.raises(HostRefused):
        rules.judge_missing(str(place / "nodes" / "link"))


@pytest.mark.parametrize(
    "name",
    [
        ".X11-unix", "ssh-AbC", "tmux-1000", "systemd-private-1", ".s.PGSQL.5432", "mysql.sock",
        "vscode-ssh-auth-1.sock", ".java_pid4711", "dotnet-diagnostic-1-2-socket", "emacs1000", "nvim.root",
        "redis.sock", "supervisor.sock", "php8.2-fpm.sock", "docker.sock", "podman.sock",
    ],
)  # fmt: skip
@pytest.mark.parametrize("folder", ["nodes", "nodes/user/1000"])
def test_other_programs_in_shared_directories_are_refused(
    rules: SocketRules, place: Path, bind: Bind, folder: str, name: str
) -> None:
    (place / folder).mkdir(parents=True, exist_ok=True)
    bind(place / folder / name)
    with pytest.raises(HostRefused, match="another program's"):
        dial(rules, place / folder / name)


@pytest.mark.parametrize("name", ["tmpab12_x9", "genvm-a1", "pytest-of-root", "docker", "runtime", "sock_0"])
def test_nodes_directories_are_nobody_elses(rules: SocketRules, place: Path, bind: Bind, name: str) -> None:
    (place / "nodes" / name).mkdir()
    dial(rules, bind(place / "nodes" / name / "sock_0"))


def test_a_socket_that_was_replaced_meanwhile_is_not_the_one_dialled(
    rules: SocketRules, place: Path, bind: Bind
) -> None:
    """What was judged is held: between judging and dialling, the path is turned to the engine."""
    judged = bind(place / "nodes" / "s")
    engine = bind(place / "engine.sock")
    with rules.hold(str(judged)) as held, socket.socket(socket.AF_UNIX) as connection:
        judged.unlink()
        judged.symlink_to(engine)
        connection.connect(held.address)
        assert connection.getpeername() == str(judged)
    with pytest.raises(HostRefused):
        dial(rules, judged)


def test_a_socket_that_is_no_more_is_missing_and_not_refused(
    rules: SocketRules, place: Path, bind: Bind
) -> None:
    """Somebody holds it still: the name that the kernel remembers of it is of nothing."""
    gone = bind(place / "nodes" / "s")
    held = os.open(gone, os.O_PATH)
    try:
        gone.unlink()
        (place / "nodes" / "link").symlink_to(f"/proc/self/fd/{held}")
        with pytest.raises(FileNotFoundError):
            dial(rules, place / "nodes" / "link")
    finally:
        os.close(held)


LISTENING_ELSEWHERE = """
import socket, sys
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(sys.argv[1])
    listener.listen()
    print(flush=True)
    sys.stdin.read()
"""


@contextmanager
def in_a_mount_namespace_of_its_own(socket_path: Path) -> Iterator[int]:
    """The process that listens at the path there, below a mount that only it sees."""
    shell = 'set -e; mount -t tmpfs none "$1"; shift; exec "$@"'
    program = [sys.executable, "-c", LISTENING_ELSEWHERE, str(socket_path)]
    with subprocess.Popen(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", shell, "sh", str(socket_path.parent), *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process.pid
        process.stdin.close()


@pytest.mark.parametrize("here", ["nothing", "a node"])
def test_a_name_in_another_mount_namespace_says_nothing(
    rules: SocketRules, place: Path, bind: Bind, here: str
) -> None:
    """By its name it is below the nodes' directory; there is nothing at that name, or another socket."""
    path = place / "nodes" / "s"
    if here == "a node":
        bind(path)
    with in_a_mount_namespace_of_its_own(path) as pid:
        (place / "nodes" / "link").symlink_to(f"/proc/{pid}/root{path}")
        with pytest.raises(HostRefused, match="outside the manager's file system"):
            dial(rules, place / "nodes" / "link")


def test_what_is_missing_is_judged_by_where_it_would_be(rules: SocketRules, place: Path) -> None:
    rules.judge_missing(str(place / "nodes" / "soon"))
    rules.judge_missing(str(place / "nodes" / "soon" / "below"))
    (place / "nodes" / "out").symlink_to(place / "elsewhere")
    for path in (place / "elsewhere" / "s", place / "nodes" / "out" / "s", "/run/docker.sock", "/etc/none"):
        with pytest.raises(HostRefused):
            rules.judge_missing(str(path))


def test_a_directory_that_the_machine_lacks_names_nobody(rules: SocketRules) -> None:
    rules.judge_missing("/no-such-directory/sock_0")
    rules.judge_missing("/no-such.sock")


def test_a_file_is_no_node(rules: SocketRules, place: Path) -> None:
    (place / "nodes" / "file").write_text("")
    with pytest.raises(ConnectionRefusedError):
        dial(rules, place / "nodes" / "file")
