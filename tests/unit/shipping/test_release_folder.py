"""Wheel, source archive, chart, notes and checksums: what a release is without a container engine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from orchestrator.imaging.checkout import Checkout, find_checkout
from orchestrator.version import VERSION

ROOT = Path(__file__).resolve().parents[3]


def make(folder: Path) -> Path:
    from images.shipping.release import Release

    folder.mkdir()
    release = Release(find_checkout(), folder, lambda _: None)
    release.packages()
    release.texts()
    return folder


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("release") / "dist")


def test_everything_is_there_under_the_one_version(dist: Path) -> None:
    assert {path.name for path in dist.iterdir()} == {
        f"genvm_orchestrator-{VERSION}-py3-none-any.whl",
        f"genvm_orchestrator-{VERSION}.tar.gz",
        f"genvm-orchestrator-{VERSION}.tgz",
        "RELEASE-NOTES.md",
        "SHA256SUMS",
    }


def test_the_checksums_are_those_of_the_files_and_of_all_of_them(dist: Path) -> None:
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=dist,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    listed = {line.partition("  ")[2] for line in (dist / "SHA256SUMS").read_text("utf-8").splitlines()}
    assert listed == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}


def test_a_second_release_of_the_same_commit_has_the_same_checksums(dist: Path, tmp_path: Path) -> None:
    again = make(tmp_path / "dist")
    assert (again / "SHA256SUMS").read_text("utf-8") == (dist / "SHA256SUMS").read_text("utf-8")


def test_the_wheel_has_the_command_and_no_tests(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        entry = wheel.read(f"genvm_orchestrator-{VERSION}.dist-info/entry_points.txt").decode()
        said = wheel.read(f"genvm_orchestrator-{VERSION}.dist-info/METADATA").decode()
    assert "genvm-orchestrator = orchestrator.__main__:main" in entry
    assert f"\nVersion: {VERSION}\n" in said
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        "orchestrator", "genvm_executor", "genvm_llm", "genvm_module", "genvm_web", "genvm_wire",
        "genvm_orchestrator_sources", f"genvm_orchestrator-{VERSION}.dist-info",
    }  # fmt: skip
    assert [name for name in names if "/tests/" in name or name.endswith(".pyc")] == []


def test_the_source_archive_is_what_is_committed(dist: Path) -> None:
    with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "images/base/Dockerfile", "tests/conftest.py"} <= names
    assert not [name for name in names if name.startswith((".venv/", "dist/", ".git/"))]


def test_the_folder_s_files_are_not_in_the_source_archive_wherever_it_is(tmp_path: Path) -> None:
    from images.shipping.release import Release

    sources = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(["git", "-C", str(ROOT), *sources], capture_output=True, text=True, check=True)
    root = tmp_path / "checkout"
    for name in listed.stdout.split("\0"):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    folder = root / "dist2"
    folder.mkdir()
    Release(Checkout(root, VERSION, "abc"), folder, lambda _: None).packages()
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        names = archive.getnames()
    assert [name for name in names if "dist2" in name or name.endswith(".whl")] == []


def test_the_chart_is_whole_and_described_first(dist: Path) -> None:
    chart = ROOT / "helm" / "genvm-orchestrator"
    with tarfile.open(dist / f"genvm-orchestrator-{VERSION}.tgz") as archive:
        names = archive.getnames()
        described = archive.extractfile(names[0])
        assert described is not None
        said = yaml.safe_load(described.read())
    assert names[0] == "genvm-orchestrator/Chart.yaml"
    assert (said["version"], said["appVersion"]) == (VERSION, VERSION)
    files = {str(path.relative_to(chart.parent)) for path in chart.rglob("*") if path.is_file()}
    assert set(names) == {name for name in files if not re.search(r"\.pyc$", name)}


def test_helm_renders_the_packed_chart(dist: Path, tmp_path: Path) -> None:
    from helm_python import Chart

    with tarfile.open(dist / f"genvm-orchestrator-{VERSION}.tgz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert Chart.load(str(tmp_path / "genvm-orchestrator")) is not None


def test_the_notes_say_the_commit_the_changes_and_the_commits(dist: Path) -> None:
    said = (dist / "RELEASE-NOTES.md").read_text("utf-8")
    assert f"# genvm-orchestrator {VERSION}" in said
    assert find_checkout().revision in said
    assert "### Added" in said


@pytest.mark.parametrize(
    ("version", "said"),
    [pytest.param("1.2.0", "- released", id="named"), pytest.param("1.3.0", "- coming", id="not yet named")],
)
def test_the_changes_are_the_versions_own_or_what_is_unreleased(version: str, said: str) -> None:
    from images.shipping.notes import changes

    text = "# Log\n\n## [Unreleased]\n\n- coming\n\n## [1.2.0] - 2026\n\n- released\n\n## [1.1.0]\n\n- old\n"
    assert changes(text, version) == said


def test_a_chart_of_another_version_stops_the_release(tmp_path: Path) -> None:
    from images.shipping.release import NotReleasable, require_one_version

    with pytest.raises(NotReleasable, match=r"Chart\.yaml says .*, the project 99\.0"):
        require_one_version(Checkout(ROOT, "99.0", ""))


def test_what_is_not_committed_stops_the_release(tmp_path: Path) -> None:
    from images.shipping.release import NotReleasable, require_releasable

    with pytest.raises(NotReleasable, match="not a git checkout"):
        require_releasable(Checkout(tmp_path, VERSION, ""))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "new").write_text("")
    with pytest.raises(NotReleasable, match=r"not committed \(--dirty releases them\):\n\?\? new"):
        require_releasable(Checkout(tmp_path, VERSION, "abc"))
