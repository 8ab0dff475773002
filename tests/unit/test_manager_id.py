"""Who a manager is: what its state directory says, which a setting may decide at the first start."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.state_dir import StateDirUnusable, owned_state_dir


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    with owned_state_dir(tmp_path) as made:
        assert made
    with owned_state_dir(tmp_path) as again:
        assert again == made


def test_a_setting_decides_it(tmp_path: Path) -> None:
    for _ in range(2):
        with owned_state_dir(tmp_path, "genvm-0") as found:
            assert found == "genvm-0"
    with owned_state_dir(tmp_path) as found:
        assert found == "genvm-0"


def test_a_directory_is_not_given_to_another_manager(tmp_path: Path) -> None:
    with owned_state_dir(tmp_path, "genvm-0"):
        pass
    with (
        pytest.raises(StateDirUnusable, match="is manager genvm-0's, whose runs genvm-1 would not know"),
        owned_state_dir(tmp_path, "genvm-1"),
    ):
        raise AssertionError("unreachable")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no manager's id in it"),
        (b"two\nlines", "has no manager's id in it"),
        (b"../other", "has no manager's id in it"),
        (b"\xff\xfe", "cannot be read from .*: it is not text"),
        (None, "cannot be read from .*: Is a directory"),
    ],
)
def test_what_is_no_id_is_told_and_left_as_it_is(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "manager-id"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    with pytest.raises(StateDirUnusable, match=words), owned_state_dir(tmp_path):
        raise AssertionError("unreachable")
    assert content is None or file.read_bytes() == content
