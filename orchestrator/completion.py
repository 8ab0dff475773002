"""`genvm-orchestrator completion`: a script for the shell, made of the commands' own arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

PROGRAM: Final = "genvm-orchestrator"
_FUNCTION: Final = """\
_genvm_orchestrator() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" line="" word words
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$word" in -*) ;; *) line="$line $word" ;; esac
    done
    case "$line " in
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _genvm_orchestrator {program}
"""
_ZSH: Final = "autoload -U +X bashcompinit && bashcompinit\n"
_FISH: Final = """\
function __genvm_orchestrator
    set -l line " "
    for word in (commandline --tokenize --current-process --cut-at-cursor)[2..]
        string match --quiet -- "-*" $word; or set line "$line$word "
    end
    switch $line
{cases}
    end
end
complete --command {program} --arguments "(__genvm_orchestrator)"
"""
SHELLS: Final = ("bash", "zsh", "fish")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What one of SHELLS is to read: `source <(genvm-orchestrator completion bash)`."""
    # The longest first: the first case that fits is taken.
    entries = sorted(_entries(parser, ()), key=lambda entry: -len(entry[0]))
    begun = [("".join(f" {word}" for word in above) + " ", words) for above, words in entries]
    if shell == "fish":
        cases = "\n".join(
            f'        case "{line}*"\n            printf "%s\\n" {" ".join(words)}' for line, words in begun
        )
        return _FISH.format(cases=cases, program=PROGRAM)
    cases = "\n".join(f'        "{line}"*) words="{" ".join(words)}" ;;' for line, words in begun)
    text = _FUNCTION.format(cases=cases, program=PROGRAM)
    return _ZSH + text if shell == "zsh" else text


def _entries(
    parser: argparse.ArgumentParser, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """What may stand behind each command: its commands and its long flags."""
    words: list[str] = []
    for action in parser._actions:
        words += [flag for flag in action.option_strings if flag.startswith("--")]
        if isinstance(action, argparse._SubParsersAction):
            words += list(action.choices)
            for name, below in action.choices.items():
                yield from _entries(below, (*above, name))
        elif not action.option_strings and action.choices:
            words += [str(choice) for choice in action.choices]
    yield above, words
