"""The operator's prompt templates and how they are filled (modules 2.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

VARIABLE = re.compile(r"#\{([a-zA-Z0-9_]*)\}")


class TemplateUnusable(ValueError):
    """The text for operators."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One `template` of a request: its key in the configuration, its variables, and whether it decides."""

    key: str
    variables: tuple[str, ...]
    decides: bool


KINDS: Mapping[str, Kind] = {
    "EqComparative": Kind("eq_comparative", ("leader_answer", "validator_answer", "principle"), True),
    "EqNonComparativeValidator": Kind(
        "eq_non_comparative_validator", ("task", "criteria", "input", "output"), True
    ),
    "EqNonComparativeLeader": Kind("eq_non_comparative_leader", ("task", "criteria", "input"), False),
}


@dataclass(frozen=True, slots=True)
class Template:
    system: str
    user: str

    def filled(self, values: Mapping[str, str]) -> str:
        """The user text in one pass: values are taken literally and never looked at again."""
        return VARIABLE.sub(lambda match: values.get(match[1], match[0]), self.user)


def check_template(name: str, template: Template) -> Template:
    """`template` itself. Raises TemplateUnusable when it lacks one of its variables."""
    kind = next(kind for kind in KINDS.values() if kind.key == name)
    present = set(VARIABLE.findall(template.user))
    missing = [variable for variable in kind.variables if variable not in present]
    if missing:
        raise TemplateUnusable(f"prompt template {name!r} lacks " + ", ".join(f"#{{{v}}}" for v in missing))
    return template
