"""`docs/cli.md`: every command with its arguments, as the parser has them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from orchestrator.__main__ import make_parser
from orchestrator.checking import cli as checking_cli
from orchestrator.company import FENCED
from orchestrator.node import cli as node_cli
from orchestrator.operations import cli as operations_cli
from orchestrator.reference.examples import EXAMPLES
from orchestrator.reference.tables import code, table

HEAD = """\
# The command

Made by `make reference` from the command's own arguments; a test compares the two, and others read each
command on this page with the command itself, and run those of all pages
(`tests/developer/test_dev_documented.py`).

`genvm-orchestrator COMMAND --help` says the same. `python -m orchestrator` is the same command. Results go to
stdout, everything else to stderr.

"""
COMPLETION = """
Completion for the shell, from what follows:

```sh
source <(genvm-orchestrator completion bash)
source <(genvm-orchestrator completion zsh)
genvm-orchestrator completion fish | source
```
"""

EXIT_CODES = (
    ("0", "all", "it is done"),
    ("1", "all", "it could not be, and the text says why and what to do"),
    (str(node_cli.EXIT_CONTRACT), "deploy, call, view, schema", "the contract refused or failed"),
    (str(checking_cli.EXIT_REFUSED), "check", "a node refuses a file"),
    (str(operations_cli.EXIT_FAILED), "doctor", "a check failed"),
    ("2", "all", "the command line is wrong"),
    (
        str(node_cli.EXIT_USAGE),
        "deploy, call, view, schema, tx",
        "so is the request: a file, an address, funds",
    ),
    (str(checking_cli.EXIT_USAGE), "check", "a file cannot be read"),
    (str(operations_cli.EXIT_UNKNOWN), "inspect, logs", "there is no such run, or it is not kept any more"),
    (
        str(node_cli.EXIT_NO_RESULT),
        "deploy, call, view, schema, tx",
        "there is no result: no manager, a run that died, a state file that cannot be read",
    ),
    (str(checking_cli.EXIT_UNCHECKED), "check", "the executor could not be asked, or a file took too long"),
    ("0 to 5", "test", "pytest's: 1: a test failed; 2 to 4: it could not run; 5: there was none"),
    (str(FENCED), "serve", "others have its runs: start it again ([several managers](managers.md))"),
    ("130", "all", "it was interrupted"),
    ("141", "all", "who read its output left"),
)
"""Code, commands, what it means."""


def page() -> str:
    """The whole page, as Markdown."""
    codes = table(("exit code", "of", "when"), EXIT_CODES)
    return HEAD + codes + COMPLETION + "".join(_sections(make_parser(), ()))


def commands(
    parser: argparse.ArgumentParser, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser, str]]:
    """Those that do something: their words, their parsers, what they are for."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            seen: set[int] = set()
            for name, below in action.choices.items():
                if id(below) in seen:
                    continue  # another name of the same
                seen.add(id(below))
                words = (*above, name)
                if any(isinstance(one, argparse._SubParsersAction) for one in below._actions):
                    yield from commands(below, words)
                else:
                    yield words, below, about.get(name, "") or about.get(_dest(name), "")


def _dest(name: str) -> str:
    """argparse names a command with another name as both: `serve (manager)`."""
    return f"{name} (manager)"


def _sections(parser: argparse.ArgumentParser, above: tuple[str, ...]) -> Iterator[str]:
    for words, below, about in commands(parser, above):
        yield f"\n## {' '.join(words)}\n\n{_sentence(about)}\n"
        for more in (below.description, below.epilog):
            if more and more != about:
                yield f"\n{_expanded(more, below)}\n"
        if examples := EXAMPLES.get(" ".join(words)):
            yield "\n```sh\n" + "\n".join(examples) + "\n```\n"
        if rows := [_row(action, below) for action in below._actions if action.dest != "help"]:
            yield "\n" + table(("argument", "what"), rows)


def _row(action: argparse.Action, parser: argparse.ArgumentParser) -> tuple[str, str]:
    about = _expanded(action.help or "", parser, action)
    if action.choices is not None:
        about = f"{about + '; ' if about else ''}one of {', '.join(code(str(one)) for one in action.choices)}"
    if action.option_strings and action.required:
        about = f"{about + '; ' if about else ''}must be given"
    if isinstance(action, argparse._AppendAction):
        about = f"{about + '; ' if about else ''}may be given again"
    return " ".join(_names(action)), about


def _names(action: argparse.Action) -> Iterator[str]:
    value = (
        ""
        if action.nargs == 0
        else action.metavar or (action.dest.upper() if action.choices is None else "…")
    )
    if not action.option_strings:
        name = str(action.metavar or action.dest.upper())
        yield code({"*": f"[{name} …]", "+": f"{name} …", "?": f"[{name}]"}.get(str(action.nargs), name))
        return
    for flag in action.option_strings:
        yield code(f"{flag} {value}".strip())


def _expanded(text: str, parser: argparse.ArgumentParser, action: argparse.Action | None = None) -> str:
    known = {"prog": parser.prog, **({} if action is None else vars(action))}
    return text % known if "%" in text else text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
