"""Which folder of an unpacked archive is the release that was asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from place import place


def unpacked(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / "unpacked" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder / "unpacked"


@pytest.mark.parametrize(
    ("names", "program", "config"),
    [
        pytest.param(["bin/genvm", "config/genvm.yaml"], "bin/genvm", "config/genvm.yaml", id="itself"),
        pytest.param(
            ["a/bin/genvm", "config/x"], "a/bin/genvm", "config/x", id="one version, shared configuration"
        ),
        pytest.param(
            ["e/v0.2.16/bin/genvm", "e/v0.3.0/bin/genvm", "e/config/x", "e/v0.2.16/config/x"],
            "e/v0.2.16/bin/genvm",
            "e/v0.2.16/config/x",
            id="its own before the shared",
        ),
        pytest.param(
            ["e/0.2.16/bin/genvm", "e/0.3.0/bin/genvm"], "e/0.2.16/bin/genvm", None, id="without the v"
        ),
    ],
)
def test_the_wanted_version_gets_its_place(
    names: list[str], program: str, config: str | None, tmp_path: Path
) -> None:
    place(unpacked(tmp_path, *names), tmp_path / "placed", "v0.2.16")
    assert (tmp_path / "placed/bin/genvm").read_text() == program
    assert (tmp_path / "placed/bin/genvm").stat().st_mode & 0o111 == 0o111
    found = [path.read_text() for path in (tmp_path / "placed").glob("config/*")]
    assert found == ([] if config is None else [config])


@pytest.mark.parametrize(
    ("names", "there"),
    [
        pytest.param(["readme"], "none", id="none"),
        pytest.param(["v1/bin/genvm", "v2/bin/genvm"], "v1, v2", id="others"),
    ],
)
def test_what_is_not_in_the_archive_stops_the_build(names: list[str], there: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"called v0.2.16; it has: {there}$"):
        place(unpacked(tmp_path, *names), tmp_path / "placed", "v0.2.16")
