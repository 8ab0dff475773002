"""`genvm-orchestrator completion`: a script for the shell, made of the commands' own arguments."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

PROGRAM: Final = "genvm-orchestrator"
# bash takes `--runtime=docker` for three words, zsh for one. Where nothing is found files are offered.
_FUNCTION: Final = """\
_genvm_orchestrator() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}"
    local line="" front="" word words
    if [ "$current" = "=" ]; then current=""; fi
    if [ "$before" = "=" ]; then before="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
    case "$current" in
        -*=*) before="${{current%%=*}}" front="${{current%%=*}}=" current="${{current#*=}}" ;;
    esac
    for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
        case "$word" in -*) ;; *) line="$line $word" ;; esac
    done
    case "$before" in -*) line="$line $before" ;; esac
    case "$line " in
{cases}
    esac
    COMPREPLY=($(compgen -P "$front" -W "$words" -- "$current"))
}}
complete -o default -F _genvm_orchestrator {program}
"""
_ZSH: Final = """\
(( $+functions[compdef] )) || { autoload -U +X compinit && compinit }
autoload -U +X bashcompinit && bashcompinit
"""
_FISH: Final = """\
function __genvm_orchestrator
    set -l line " "
    set -l before
    for word in (commandline --tokenize --current-process --cut-at-cursor)[2..]
        string match --quiet -- "-*" $word; or set line "$line$word "
        set before $word
    end
    string match --quiet -- "-*" $before; and set line "$line$before "
    switch $line
{cases}
    end
end
complete --command {program} --arguments "(__genvm_orchestrator)"
"""
SHELLS: Final = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something is typed: behind the commands `above`, and behind one of `flags`, if there are any."""

    above: tuple[str, ...]
    flags: tuple[str, ...]
    words: tuple[str, ...]
    """What may stand there; none: nobody knows, it may be a file."""

    @property
    def line(self) -> str:
        return "".join(f" {word}" for word in self.above) + " "


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What one of SHELLS is to read: `source <(genvm-orchestrator completion bash)`."""
    # The first case that fits is taken: the longest, and a flag's value before what else the command takes.
    places = sorted(_places(parser, ()), key=lambda place: (-len(place.above), not place.flags))
    if shell == "fish":
        return _FISH.format(cases="\n".join(map(_fish_case, places)), program=PROGRAM)
    text = _FUNCTION.format(cases="\n".join(map(_bash_case, places)), program=PROGRAM)
    return _ZSH + text if shell == "zsh" else text


def _bash_case(place: _Place) -> str:
    ends = [f'"{flag} "' for flag in place.flags] or [""]
    patterns = "|".join(f'"{place.line}"*{end}' for end in ends)
    return f'        {patterns}) words="{" ".join(place.words)}" ;;'


def _fish_case(place: _Place) -> str:
    ends = [f"{flag} " for flag in place.flags] or [""]
    patterns = " ".join(f'"{place.line}*{end}"' for end in ends)
    said = f'printf "%s\\n" {" ".join(place.words)}' if place.words else "true"
    return f"        case {patterns}\n            {said}"


def _places(parser: argparse.ArgumentParser, above: tuple[str, ...]) -> Iterator[_Place]:
    """Of a command and those below it: values of its flags, and then its commands and its long flags."""
    words: list[str] = []
    for action in parser._actions:
        words += [flag for flag in action.option_strings if flag.startswith("--")]
        choices = () if action.choices is None else tuple(str(choice) for choice in action.choices)
        if action.option_strings:
            if action.nargs != 0:
                yield _Place(above, tuple(action.option_strings), choices)
            continue
        words += choices
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from _places(below, (*above, name))
    yield _Place(above, (), tuple(words))
