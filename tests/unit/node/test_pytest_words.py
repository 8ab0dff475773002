"""What the developer's `test` hands to pytest, and what it calls its recordings."""

from __future__ import annotations

import pytest

from orchestrator.__main__ import parsed
from orchestrator.testing.command import PLUGIN, words_of
from orchestrator.testing.plugin import recording_name

OURS = ["-p", PLUGIN, "--genvm-runtime"]


@pytest.mark.parametrize(
    ("typed", "handed"),
    [
        ("", [*OURS, "process"]),
        ("a.py::T::test_b -xvs --lf", [*OURS, "process", "a.py::T::test_b", "-xvs", "--lf"]),
        ("--maxfail 2 tests -k a", [*OURS, "process", "--maxfail", "2", "tests", "-k", "a"]),
        ("a.py --runtime docker -- -q", [*OURS, "docker", "a.py", "-q"]),
        ("-r fE --record a", [*OURS, "process", "--genvm-record", "-r", "fE", "a"]),
        ("--run-limit 5 --runxfail", [*OURS, "process", "--genvm-run-limit", "5.0", "--runxfail"]),
        ("-p no:cacheprovider -n 2", [*OURS, "process", "-p", "no:cacheprovider", "-n", "2"]),
    ],
)  # fmt: skip
def test_what_is_pytest_s_goes_there_as_it_is(typed: str, handed: list[str]) -> None:
    assert words_of(parsed(["test", *typed.split()])) == handed


@pytest.mark.parametrize("command", ["check", "tx", "serve"])
def test_other_commands_take_no_words_that_they_do_not_know(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parsed([command, *(["a.py"] if command == "check" else []), "--lf"])
    assert left.value.code == 2
    assert "unrecognized arguments: --lf" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("t/test_a.py::test_b", "test_b"),
        ("t/test_a.py::test_b[x-1]", "test_b-x-1"),
        ("t/test_a.py::TestC::test_b", "TestC.test_b"),
    ],
)
def test_a_recording_is_called_as_its_test(nodeid: str, name: str) -> None:
    assert recording_name(nodeid) == name


def test_no_two_tests_share_a_recording() -> None:
    ids = ["test_b[a/b]", "test_b[a b]", "test_b[a-b]", "A::test_b", "B::test_b", "test_b[" + "x" * 300 + "]"]
    names = {recording_name(f"t.py::{one}") for one in ids}
    assert len(names) == len(ids)
    assert max(map(len, names)) < 120
