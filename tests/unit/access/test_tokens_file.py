"""The tokens file: what is taken, what is refused and in which words, and when it is looked at again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from orchestrator.access.caller import Caller
from orchestrator.access.entries import MOST_TOKENS, BadTokens, parse_tokens
from orchestrator.access.file import read_tokens
from orchestrator.access.scope import Scope
from orchestrator.access.token import Limits, digest_of
from orchestrator.access.watch import TokenWatch

SECRET = "genvm_not-a-secret-at-all"
HASH = "sha256:" + digest_of(SECRET).hex()
OTHER = "sha256:" + digest_of("other").hex()
LINE = f'{{"name": "a", "scopes": ["node"], "namespace": "n", "hash": "{HASH}"}}'
OTHER_LINE = f'{{"name": "b", "scopes": ["read"], "namespace": "n", "hash": "{OTHER}"}}'
ENTRY = yaml.safe_load(LINE)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """A file of another inode each time, as editors and secret stores make them."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(mode)
    draft.replace(path)
    return path


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        f"# for node a\n\n{LINE}\n",
        f"- {LINE}\n",
        yaml.safe_dump([ENTRY]),
        yaml.safe_dump([ENTRY | {"scopes": ["read", "node"]}]),
    ],
    ids=["a JSON line", "with remarks", "a line in a YAML list", "YAML", "the greatest scope counts"],
)
def test_both_forms_are_taken(text: str) -> None:
    [token] = parse_tokens(text)
    assert (token.caller, token.digest) == (Caller("a", Scope.NODE, "n"), digest_of(SECRET))


def test_rates_are_taken() -> None:
    rates = {"requests_per_second": 5, "requests_burst": 10, "bytes_per_second": 1e6, "bytes_burst": 2000000}
    [token] = parse_tokens(yaml.safe_dump([ENTRY | rates]))
    assert token.limits == Limits(5, 10, 1e6, 2_000_000)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"scopes": []}, "token 1: scopes"),
        ({"scopes": ["root"]}, "token 1: scopes"),
        ({"scopes": ["none"]}, "must be read, node or operator"),
        ({"name": ""}, "token 1: name"),
        ({"name": "a\nb"}, "token 1: name"),
        ({"namespace": "../x"}, "token 1: namespace"),
        ({"hash": SECRET}, "token 1: hash"),
        ({"hash": HASH.upper()}, "token 1: hash"),
        ({"hash": HASH + "\n"}, "token 1: hash"),
        ({"token": SECRET}, "token 1: token"),
        ({"requests_per_second": 0}, "token 1: requests_per_second"),
        ({"requests_per_second": "5"}, "token 1: requests_per_second"),
        ({"bytes_per_second": float("inf")}, "token 1: bytes_per_second"),
        ({"requests_per_second": 5e-324}, "token 1: requests_per_second"),
        ({"bytes_per_second": 1e-300}, "token 1: bytes_per_second"),
        ({"requests_per_second": 1, "requests_burst": 10**400}, "token 1: requests_burst"),
        ({"bytes_per_second": 1, "bytes_burst": 10**400}, "token 1: bytes_burst"),
    ],
)
def test_what_is_wrong_is_said_without_the_value(changes: dict[str, object], text: str) -> None:
    with pytest.raises(BadTokens, match=text) as refused:
        parse_tokens(yaml.safe_dump([ENTRY | changes]))
    assert SECRET not in str(refused.value) and HASH not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no tokens"),
        ("[]", "it has no tokens"),
        ("# nothing\n", "it has no tokens"),
        ("tokens: []", "not a list"),
        ("{", "neither JSON lines nor YAML"),
        (LINE + "\n{", "neither JSON lines nor YAML"),
        ("- [", "neither JSON lines nor YAML: look at line"),
        ("- a: *b", "neither JSON lines nor YAML"),
        ("[1]", "token 1: entry"),
        (f"{LINE}\n{LINE}", "its name is also an earlier token's"),
        (f"{LINE}\n{OTHER_LINE.replace(OTHER, HASH)}", "token 2: its hash is also an earlier token's"),
        ("[" + "0," * (MOST_TOKENS + 1) + "]", f"more than {MOST_TOKENS}"),
        ("[" * 100_000, "neither JSON lines nor YAML"),
    ],
)
def test_a_file_is_taken_whole_or_not_at_all(text: str, said: str) -> None:
    with pytest.raises(BadTokens, match=said):
        parse_tokens(text)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o777])
def test_a_file_that_is_open_to_everybody_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(BadTokens, match="open to everybody"):
        read_tokens(write(tmp_path / "tokens", LINE, mode))


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o660])
def test_owner_and_group_may_read_it(tmp_path: Path, mode: int) -> None:
    assert len(read_tokens(write(tmp_path / "tokens", LINE, mode)).tokens) == 1


def test_it_may_be_a_link_as_secrets_are(tmp_path: Path) -> None:
    write(tmp_path / "data", LINE)
    (tmp_path / "tokens").symlink_to("data")
    assert len(read_tokens(tmp_path / "tokens").tokens) == 1


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, said in (
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path, "."),
        (tmp_path / "no", "cannot be"),
    ):
        with pytest.raises(BadTokens, match=said):
            read_tokens(path)
    with pytest.raises(BadTokens, match="not UTF-8 text"):
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        (tmp_path / "binary").chmod(0o600)
        read_tokens(tmp_path / "binary")


async def test_a_changed_file_is_in_force_at_the_next_look(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", LINE)
    watch = await TokenWatch.open(path)
    old = watch.register.find(SECRET)
    told: list[int] = []
    watch.register.changed.append(lambda: told.append(len(watch.register)))
    await watch.look()
    assert (watch.register.find("other"), told) == (None, [])
    write(path, OTHER_LINE)
    await watch.look()
    assert watch.register.find("other") is not None
    assert watch.register.find(SECRET) is None
    assert old is not None and not watch.register.holds(old)
    assert told == [1]


async def test_a_bad_file_changes_nothing_and_is_said_until_it_is_mended(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", LINE)
    watch = await TokenWatch.open(path)
    for spoil in (lambda: write(path, "nonsense"), lambda: path.chmod(0o644), path.unlink):
        spoil()
        await watch.look()
        assert watch.register.find(SECRET) is not None
        assert watch.problem is not None
        write(path, LINE)
        await watch.look()
        assert watch.problem is None


async def test_a_file_that_changes_twice_within_a_tick_is_not_missed(tmp_path: Path) -> None:
    """Written in place, of the same length, with the same times: only its content tells."""
    path = write(tmp_path / "tokens", LINE)
    watch = await TokenWatch.open(path)
    before = path.stat()
    path.write_text(LINE.replace(HASH, OTHER))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    await watch.look()
    assert watch.register.find("other") is not None


async def test_a_settled_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "tokens", LINE)
    watch = await TokenWatch.open(path)
    monkeypatch.setattr("orchestrator.access.file.SETTLED_SECONDS", -3600.0)
    await watch.look()  # it is old enough now: this reading's mark is kept
    monkeypatch.setattr("orchestrator.access.watch.read_tokens", lambda _: pytest.fail("read again"))
    await watch.look()


async def test_without_a_usable_file_nothing_starts(tmp_path: Path) -> None:
    with pytest.raises(BadTokens, match="cannot be read"):
        await TokenWatch.open(tmp_path / "tokens")
