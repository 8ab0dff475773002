"""The Helm chart as one file, as `helm package` names and lays it out; the same bytes for the same chart."""

from __future__ import annotations

import gzip
import io
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from orchestrator.imaging.context import EPOCH

IGNORE_FILE = ".helmignore"


def package_chart(chart: Path, folder: Path) -> Path:
    """Write `NAME-VERSION.tgz` of the chart into `folder`; its path."""
    said = chart_says(chart)
    target = folder / f"{said['name']}-{said['version']}.tgz"
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        # Helm reads the description first.
        for path in sorted(_files(chart), key=lambda path: (path.name != "Chart.yaml", str(path))):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"{said['name']}/{path.relative_to(chart)}")
            entry.size, entry.mode, entry.mtime = len(content), 0o644, EPOCH
            archive.addfile(entry, io.BytesIO(content))
    return target


def chart_says(chart: Path) -> dict[str, Any]:
    """The chart's description of itself."""
    said: dict[str, Any] = yaml.safe_load((chart / "Chart.yaml").read_text("utf-8"))
    return said


def _files(chart: Path) -> list[Path]:
    lines = (chart / IGNORE_FILE).read_text("utf-8").splitlines()
    patterns = [*lines, "__pycache__", "*.pyc"]
    return [
        path
        for path in chart.rglob("*")
        if path.is_file()
        and not any(fnmatch(part, p) for part in path.relative_to(chart).parts for p in patterns)
    ]
