"""What to do where an extra is not installed. The project is on no index: there is a wheel, or a checkout."""

from __future__ import annotations

from orchestrator.version import VERSION


def advice(*extras: str) -> str:
    """The commands that install them; to be followed as it is written, but for the place of the file."""
    names = ",".join(extras)
    # pipx leaves what it has installed already as it is, unless it is forced.
    return (
        f"pipx install --force './genvm_orchestrator-{VERSION}-py3-none-any.whl[{names}]' with the release's "
        f"wheel and the extras that you have, or pip install '.[{names}]' in a checkout"
    )
