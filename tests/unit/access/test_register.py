"""Finding tokens: what is compared, what is kept, and what a command sends."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest

from orchestrator.__main__ import main
from orchestrator.access.caller import ANYBODY, Caller
from orchestrator.access.credentials import NoCredentials, authorization
from orchestrator.access.entries import parse_tokens
from orchestrator.access.register import Register
from orchestrator.access.scope import Scope
from orchestrator.access.token import LONGEST, PREFIX, Token, digest_of, new_token

TOKENS = {scope: new_token() for scope in (Scope.READ, Scope.NODE, Scope.OPERATOR)}
REGISTER = Register(
    [Token(Caller(scope.value, scope, "n"), digest_of(text)) for scope, text in TOKENS.items()]
)


def test_a_token_is_256_random_bits() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token.removeprefix(PREFIX)) for token in tokens} == {43}


def test_each_is_found_by_its_text_alone() -> None:
    for scope, text in TOKENS.items():
        known = REGISTER.find(text)
        assert known is not None and known.token.caller == Caller(scope.value, scope, "n")
        assert known.allowance is None
        wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
        for other in (wrong, text[:-1], text + "A", "", digest_of(text).hex(), text.upper()):
            assert REGISTER.find(other) is None


@pytest.mark.parametrize("text", ["ä" * 20, "\udcff" * 20, "x" * (LONGEST + 1), "x" * 1_000_000, "\0"])
def test_nonsense_is_not_found_and_breaks_nothing(text: str) -> None:
    assert REGISTER.find(text) is None


def test_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    REGISTER.find(TOKENS[Scope.NODE])
    assert compared == [(digest_of(TOKENS[Scope.NODE]),) * 2]


@pytest.mark.parametrize("scope", list(Scope))
def test_each_scope_allows_what_those_before_it_allow(scope: Scope) -> None:
    order = [Scope.NONE, Scope.READ, Scope.NODE, Scope.OPERATOR]
    assert [one for one in order if scope.reaches(one)] == order[: order.index(scope) + 1]


def test_only_an_operator_sees_all() -> None:
    seen = {scope: Caller("x", scope, "n").sees for scope in Scope}
    assert {scope for scope, namespace in seen.items() if namespace is None} == {Scope.OPERATOR}
    assert ANYBODY.sees is None


def test_the_command_prints_the_token_once_and_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["token", "new", "--name", "node-a", "--scope", "node", "--namespace", "a"]
    assert main([*command, "--requests-per-second", "50"]) == 0
    printed = capsys.readouterr()
    text, line = printed.out.splitlines()
    [token] = parse_tokens(line)
    assert (token.caller, token.digest) == (Caller("node-a", Scope.NODE, "a"), digest_of(text))
    assert token.limits.requests_per_second == 50
    assert text not in line + printed.err
    assert set(json.loads(line)) == {"name", "scopes", "namespace", "hash", "requests_per_second"}


@pytest.mark.parametrize(
    ("flag", "value"), [("--name", "a b"), ("--namespace", ""), ("--requests-burst", "0")]
)
def test_the_command_says_what_it_does_not_take(
    capsys: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    command = ["token", "new", "--name", "a", "--scope", "read", "--namespace", "n"]
    assert main([*command, flag, value]) == 2
    printed = capsys.readouterr()
    assert (printed.out, flag[2:].replace("-", "_") in printed.err) == ("", True)


def test_a_command_sends_the_token_of_its_environment_or_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("genvm_file\n")
    assert authorization({}) == {}
    assert authorization({"GENVM_TOKEN": "genvm_x"}) == {"Authorization": "Bearer genvm_x"}
    assert authorization({"GENVM_TOKEN_FILE": str(file)}) == {"Authorization": "Bearer genvm_file"}
    both = {"GENVM_TOKEN": "genvm_x", "GENVM_TOKEN_FILE": str(file)}
    assert authorization(both) == {"Authorization": "Bearer genvm_x"}


@pytest.mark.parametrize("token", ["two words", "genvm_\nX-Other: 1", "ä"])
def test_what_is_no_token_is_not_sent_and_not_shown(token: str, tmp_path: Path) -> None:
    with pytest.raises(NoCredentials) as refused:
        authorization({"GENVM_TOKEN": token})
    assert token not in str(refused.value)
    with pytest.raises(NoCredentials, match="cannot be read"):
        authorization({"GENVM_TOKEN_FILE": str(tmp_path / "no")})
