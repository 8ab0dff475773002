"""`docs/cli.md`: every command with its arguments, as the parser has them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from orchestrator.__main__ import make_parser
from orchestrator.reference.examples import EXAMPLES
from orchestrator.reference.tables import code, table

HEAD = """\
# The command

Made by `make reference` from the command's own arguments; a test compares the two, and others read each
command on this page with the command itself, and run those of all pages
(`tests/developer/test_dev_documented.py`).

`genvm-orchestrator COMMAND --help` says the same. `python -m orchestrator` is the same command. Exit code 0:
it is done; 1: it could not be, and the text says why and what to do; 2: the command line is wrong; 130: it
was interrupted; 141: who read its output left. Results go to stdout, everything else to stderr.

Completion for the shell, from what follows:

```sh
source <(genvm-orchestrator completion bash)
source <(genvm-orchestrator completion zsh)
genvm-orchestrator completion fish | source
```
"""


def page() -> str:
    """The whole page, as Markdown."""
    return HEAD + "".join(_sections(make_parser(), ()))


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
