"""`docs/settings.md`, made from what settings say of themselves: `python -m orchestrator.settings.page`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.settings.about import MIB, About, Unit, about_of
from orchestrator.settings.effective import PREFIX, groups

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

HEAD = """\
# Settings

Made by `make settings-page` from `orchestrator/settings/`; a test compares the two.

A setting is read from the command line where it has a flag, then from the environment, then from the YAML
file that `--config` names (there `GENVM_POOL_SIZE` is `pool_size`), and else it has its default.
A name in that file that is no setting stops the start; a variable that is none and looks like one is told in
the log.
`genvm-orchestrator config show` prints what a manager would use, secrets masked. A list in the environment
has the separator that is said here, or is JSON. In the YAML file `null` is *unset*.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return HEAD + "".join(_section(group) for group in groups())


def _section(group: type[BaseModel]) -> str:
    rows = "".join(_row(name, field) for name, field in group.model_fields.items())
    title = (group.__doc__ or "").strip()
    head = "| setting | what | unit | default | why this default |\n|---|---|---|---|---|\n"
    return f"\n## {_linked(title)}\n\n{head}{rows}"


def _row(name: str, field: FieldInfo) -> str:
    about = about_of(field)
    cells = (f"`{PREFIX}{name.upper()}`", about.what, about.unit.value, _default(field, about), about.why)
    return "| " + " | ".join(_linked(cell) for cell in cells) + " |\n"


def _linked(text: str) -> str:
    """Other pages as links."""
    return re.sub(r"\b([a-z]+)\.md\b", r"[\1](\1.md)", text)


def _default(field: FieldInfo, about: About) -> str:
    value = field.default if about.shown is None else about.shown
    return "unset" if value is None else f"`{_text(value, about.unit)}`" if value not in ([], "") else "none"


def _text(value: Any, unit: Unit) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if unit is Unit.BYTES:
        return f"{value // MIB} MiB"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(map(str, value))
    return str(value)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
