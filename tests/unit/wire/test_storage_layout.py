"""Storage slots and page keys (contract-runtime 8, host-protocol 7, manager-api 3.9)."""

from __future__ import annotations

import pytest

from genvm_wire import storage_layout as layout

CODE_SLOT = "e1ae23412792df6b6a98fb7c9839701fb8b02b6fc7ed022810f78346494685e7"


@pytest.mark.parametrize(
    ("offset", "slot"),
    [
        (0, "372d46c3ada9f897c74d349bbfe0e450c798167c9f580f8daf85def57e96c3ea"),
        (1, CODE_SLOT),
        (2, "ba005630745acf3014aaf162e9933040302ca0bef3f56fe2d73c0a08f82c610b"),
        (3, "21b9e013f74608b92947861287b3de76c2c076fe839b7994761bd950cc2e7566"),
        (4, "27a15e7450d9f04e9c3d8d2d856a8e9c78dfa0081ea2c128fdc93ce2df35ebd6"),
    ],
)
def test_indirect_slots_of_the_root(offset: int, slot: str) -> None:
    assert layout.indirect(layout.ROOT_SLOT, offset).hex() == slot


def test_lines_keep_code_and_contract_in_different_slots() -> None:
    assert layout.code_slot("v0.2").hex() == layout.contract_slot("v0.3").hex() == CODE_SLOT
    assert layout.code_slot("v0.3") == layout.locked_slots_slot("v0.2")
    assert layout.upgraders_slot("v0.2") == layout.locked_slots_slot("v0.3")


def test_pre_deploy_writes_of_the_example() -> None:
    code = b'# v0.1.0\n# { "Depends": "py-genlayer:test" }\n'
    (k1, v1), (k2, v2) = layout.pre_deploy_writes(code)
    assert (k1.hex(), v1.hex()) == (CODE_SLOT + "00000000", "2d000000")
    assert (k2.hex(), v2) == (CODE_SLOT + "04000000", code)
    assert layout.split_write_key(k2) == (bytes.fromhex(CODE_SLOT), 4)


def test_page_keys_are_big_endian() -> None:
    key = layout.page_key(bytes.fromhex(CODE_SLOT), 1)
    assert key.hex() == CODE_SLOT + "00000001"
    assert layout.split_page_key(key) == (bytes.fromhex(CODE_SLOT), 1)


def test_adjacent_pages_travel_as_one_run_and_come_apart_again() -> None:
    a, b = bytes(32), b"\1" * 32
    pages = {(b, 7): b"x" * 32, (a, 1): b"y" * 32, (a, 0): b"z" * 32, (a, 3): b"w" * 32}
    changes = layout.merge_pages(pages)
    assert [(key[:32], key[-1], len(value)) for key, value in changes] == [(a, 0, 64), (a, 3, 32), (b, 7, 32)]
    again = {(slot, at): page for change in changes for slot, at, page in layout.split_change(*change)}
    assert again == pages


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(bytes(35), bytes(32), id="short key"),
        pytest.param(bytes(36), b"", id="no page"),
        pytest.param(bytes(36), bytes(33), id="part of a page"),
        pytest.param(layout.page_key(bytes(32), 0x07FFFFFF), bytes(64), id="past the end of the slot"),
    ],
)
def test_malformed_changes_are_refused(key: bytes, value: bytes) -> None:
    with pytest.raises(layout.LayoutError):
        list(layout.split_change(key, value))
