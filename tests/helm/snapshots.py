"""What each documented combination renders, committed for review: `python -m tests.helm.snapshots` writes it.

The defaults are there in full, the others by what differs from them.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.helm.chart import HelmEngine, Rendered, combinations

FOLDER = Path(__file__).parent / "snapshots"


def snapshot(name: str, rendered: dict[str, Rendered]) -> str:
    """Of one combination."""
    plain = [] if name == "defaults" else rendered["defaults"].objects
    shown = [one for one in rendered[name].objects if one not in plain]
    return yaml.safe_dump_all(shown, sort_keys=True, width=120, allow_unicode=True)


def committed() -> dict[str, str]:
    return {file.stem: file.read_text("utf-8") for file in sorted(FOLDER.glob("*.yaml"))}


def main() -> None:
    with HelmEngine() as helm:
        rendered = {name: helm.render(values) for name, values in combinations().items()}
    found = {name: snapshot(name, rendered) for name in rendered}
    for stale in committed().keys() - found.keys():
        (FOLDER / f"{stale}.yaml").unlink()
    for name, written in found.items():
        (FOLDER / f"{name}.yaml").write_text(written, "utf-8")


if __name__ == "__main__":
    main()
