"""`images build` and `images list` say what is wrong and exit accordingly."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from orchestrator.imaging import arguments, cli


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    arguments.add_commands(parser.add_subparsers(required=True))
    return cli.run(parser.parse_args(["images", *words]))


def test_an_unknown_image_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "nothing") == 2
    said = capsys.readouterr().err
    assert said.startswith("genvm-orchestrator: no image is called 'nothing'; there are base, ")


@pytest.mark.parametrize("words", [("build",), ("list",)], ids=" ".join)
def test_without_an_engine_it_says_how_to_get_one(
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert run(*words) == 1
    assert "no container engine answers; in a checkout `make engine` starts one" in capsys.readouterr().err


def test_outside_a_checkout_it_asks_for_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("build", "--source", str(tmp_path)) == 1
    said = capsys.readouterr().err
    assert said.startswith("genvm-orchestrator: ")
    assert "name one with --source DIR" in said


def test_a_command_is_required() -> None:
    with pytest.raises(SystemExit) as ending:
        run()
    assert ending.value.code == 2


@pytest.mark.parametrize(
    ("version", "code", "said"),
    [
        pytest.param("latest", 2, "'latest' cannot be an image's tag", id="no version"),
        pytest.param("v0.2.16", 1, "notes is no tar that can be read", id="no archive"),
    ],
)
def test_a_release_wants_a_version_and_a_tar(
    version: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes").write_text("nothing packed")
    assert run("release", str(tmp_path / "notes"), version) == code
    printed = capsys.readouterr().err
    assert printed.startswith("genvm-orchestrator: ")
    assert said in printed


def test_an_archive_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("release", str(tmp_path / "absent.tar"), "v1.2.3") == 1
    assert "absent.tar is not there" in capsys.readouterr().err
