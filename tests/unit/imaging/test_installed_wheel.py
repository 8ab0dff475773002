"""The wheel alone, without a checkout: the command works, and has what images are built from."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.contents import contents
from orchestrator.imaging.recipes import DEFAULT_BASE, RECIPES
from orchestrator.imaging.wheels import build_project
from orchestrator.version import VERSION

ROOT = Path(__file__).resolve().parents[3]
CONTENTS = """
import json
from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.contents import contents
print(json.dumps(contents(find_checkout(), {base!r})))
"""
REPACK = """
import sys
from importlib import metadata
from pathlib import Path
from orchestrator.imaging.repacking import repacked
print(repacked(metadata.distribution("genvm-orchestrator"), Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build_project(ROOT, folder, "wheel")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what the wheel depends on is this one's."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (packages,) = place.glob("lib/python3*/site-packages")
    # As a folder more, not as a place of packages: the editable project in it stays out.
    (packages / "dependencies.pth").write_text(f"{site.getsitepackages()[0]}\n")
    command = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-index", "--no-deps", str(wheel)], check=True)
    return place


def run(environment: Path, program: str, *words: str) -> str:
    """What one of the environment's programs prints, away from the checkout."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run(
        [str(environment / "bin" / program), *words],
        cwd=environment,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_command_is_there_and_is_not_the_checkouts(environment: Path) -> None:
    assert run(environment, "genvm-orchestrator", "--version") == f"genvm-orchestrator {VERSION}\n"
    where = run(environment, "python", "-c", "import orchestrator; print(orchestrator.__file__)")
    assert Path(where.strip()).is_relative_to(environment)


def test_it_knows_every_image_and_its_settings(environment: Path) -> None:
    said = run(environment, "genvm-orchestrator", "images", "build", "--help")
    assert all(recipe.name in said for recipe in RECIPES)
    assert "image_pattern: genvm-executor:latest" in run(environment, "genvm-orchestrator", "config", "show")


def test_images_are_made_of_the_same_files_as_in_the_checkout(environment: Path) -> None:
    """So what was built from a checkout is up to date for the installed command, and vice versa."""
    said = run(environment, "python", "-c", CONTENTS.format(base=DEFAULT_BASE))
    assert json.loads(said) == contents(find_checkout(), DEFAULT_BASE)


def test_the_wheel_for_the_managers_image_is_made_again_as_it_was(
    environment: Path, wheel: Path, tmp_path: Path
) -> None:
    made = Path(run(environment, "python", "-c", REPACK, str(tmp_path)).strip())
    assert made.name == wheel.name
    assert members(made) == members(wheel)
    again = made.read_bytes()
    run(environment, "python", "-c", REPACK, str(tmp_path))
    assert made.read_bytes() == again


def members(wheel: Path) -> dict[str, object]:
    """Contents by name; of the list of files, whose order is the builder's, only what it lists."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: sorted(archive.read(name).splitlines()) if name.endswith("/RECORD") else archive.read(name)
            for name in archive.namelist()
        }


def test_the_wheel_has_every_data_file_of_its_packages(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "orchestrator", "images/*/genvm_*"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    tracked = [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
    with zipfile.ZipFile(wheel) as archive:
        packed = {archive.read(name) for name in archive.namelist()}
    assert [name for name in tracked if (ROOT / name).read_bytes() not in packed] == []
