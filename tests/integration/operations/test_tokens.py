"""The commands with a manager that has tokens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from orchestrator.__main__ import main
from tests.integration.manager.callers import (
    ALICE,
    READER,
    ROOT,
    As,
    MakeAs,
    TokensFile,
    make_as,
    tokens_file,
)
from tests.integration.manager.conftest import Client, listening_node
from tests.integration.operations.commands import command

__all__ = ["make_as", "tokens_file"]


@pytest.fixture
async def speaking_as(make_as: MakeAs) -> As:
    return await make_as()


def to(client: Client) -> tuple[str, ...]:
    return ("--manager", f"unix://{client.folder}/api.sock", "--state-dir", f"{client.folder}/state")


async def test_ps_sends_its_token_and_sees_what_that_sees(
    speaking_as: As, tokens_file: TokensFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await speaking_as(ALICE)
    body = alice.body()
    async with listening_node(body["host"]):
        run_id = await alice.run(body)
        await alice.until(lambda: alice.manager.executions.find(run_id) is None)
    ran = await command("ps", "--all", *to(alice))
    assert (ran.code, "401: a token is needed" in ran.err) == (1, True)
    assert "set GENVM_TOKEN to a token of that manager, or GENVM_TOKEN_FILE" in ran.err
    for name, expected in ((READER, {run_id}), ("bob", set()), (ROOT, {run_id})):
        monkeypatch.setenv("GENVM_TOKEN", tokens_file.texts[name])
        ran = await command("ps", "--all", "--json", *to(alice))
        assert (ran.code, {run["id"] for run in json.loads(ran.out)}) == (0, expected)
        ran = await command("inspect", str(run_id), *to(alice))
        assert ran.code == (0 if expected else 3)


@pytest.mark.parametrize(("flags", "said"), [((), "scope operator"), (("--dry-run",), "an operator's")])
async def test_only_an_operator_knows_what_belongs_to_no_run(
    speaking_as: As,
    tokens_file: TokensFile,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    said: str,
) -> None:
    alice = await speaking_as(ALICE)
    for name, code in ((ALICE, 1), (ROOT, 0)):
        monkeypatch.setenv("GENVM_TOKEN", tokens_file.texts[name])
        ran = await command("gc", *flags, *to(alice))
        assert (ran.code, said in ran.err) == (code, name == ALICE), ran


@pytest.mark.parametrize("named", ["nothing", "variable", "file"])
async def test_contract_commands_send_theirs(
    speaking_as: As, tokens_file: TokensFile, tmp_path: Path, named: str
) -> None:
    """As a process, as people start it; the token is in no command line."""
    alice = await speaking_as(ALICE)
    contract = tmp_path / "contract.py"
    contract.write_text("# v0.1.0\n")
    secret = tmp_path / "secret"
    secret.write_text(tokens_file.texts[ALICE] + "\n")
    environment = {
        "nothing": {},
        "variable": {"GENVM_TOKEN": tokens_file.texts[ALICE]},
        "file": {"GENVM_TOKEN_FILE": str(secret)},
    }[named]
    words = ("deploy", str(contract), "--manager", f"unix://{alice.folder}/api.sock")
    deploying = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "orchestrator", *words, "--state", str(tmp_path / "chain")),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await deploying.communicate()
    accepted = alice.manager.executions.statistics().retained
    assert (accepted > 0, b"401" in complaint) == (named != "nothing", named == "nothing"), complaint
    assert (b"set GENVM_TOKEN to a token of that manager" in complaint) == (named == "nothing")
    assert tokens_file.texts[ALICE].encode() not in complaint


def test_a_manager_does_not_start_with_a_file_that_is_open_to_everybody(
    tokens_file: TokensFile, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    tokens_file.path.chmod(0o644)
    monkeypatch.setenv("GENVM_TOKENS_FILE", str(tokens_file.path))
    assert main(["serve", "--socket", str(folder / "api"), "--state-dir", str(folder / "state")]) == 1
    assert "open to everybody" in capfd.readouterr().err


async def test_doctor_looks_at_the_file(
    tokens_file: TokensFile, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENVM_TOKENS_FILE", str(tokens_file.path))
    monkeypatch.setenv("GENVM_AUDIT_FILE", str(folder / "no" / "audit"))

    async def found() -> dict[str, dict[str, str]]:
        ran = await command("doctor", "--json", "--state-dir", str(folder))
        return {check["name"]: check for check in json.loads(ran.out)["checks"]}

    checks = await found()
    assert (checks["tokens"]["level"], checks["audit"]["level"]) == ("ok", "fail")
    assert "4 (2 node, 1 operator, 1 read) in 3 namespaces" in checks["tokens"]["found"]
    tokens_file.path.write_text("nonsense")
    assert (await found())["tokens"]["level"] == "fail"
