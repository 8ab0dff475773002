"""What a map has decoded of its tree follows the bytes, whoever writes them (contract-sdk 12.5)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from genlayer import DynArray, TreeMap, gl
from genlayer.py import types

from .contracts import deploy, value_of
from .native import NativeHarness

U8: Any = types.UNSIGNED["u8"]
U32: Any = types.UNSIGNED["u32"]
Mapping: Any = TreeMap
Listing: Any = DynArray

KEYS: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "int": (U32, int),
    "text": (str, lambda n: f"key {n}"),
    "address": (types.Address, lambda n: types.Address(bytes([n] * 20))),
    "bytes": (bytes, lambda n: bytes([n])),
    "big": (types.bigint, lambda n: n - 20 << 70),
    "float": (float, lambda n: n / 7),
}


def content(view: Any) -> Any:
    return view._slot.manager.__getstate__()


def step(chooser: random.Random, maps: Any, key: Callable[[int], Any], before: Callable[[], None]) -> Any:
    """One random thing that a contract may do to a list of maps; what it saw."""
    at, other, n = chooser.randrange(3), chooser.randrange(3), key(chooser.randrange(40))
    what = chooser.random()
    before()
    if what < 0.55:
        maps[at][n] = chooser.randrange(1000)
    elif what < 0.75:
        return maps[at].pop(n, None)
    elif what < 0.79:
        maps[at] = maps[other]
    elif what < 0.81:
        maps[at].clear()
    elif what < 0.83:
        maps[at] = TreeMap()
    elif what < 0.85:
        del maps[at]
        maps.append(TreeMap())
    elif what < 0.88:
        return list(maps[at].items())
    return maps[at].get(n)


@pytest.mark.parametrize("kind", KEYS)
def test_histories_leave_the_same_bytes_as_without_anything_decoded(kind: str) -> None:
    annotation, key = KEYS[kind]
    for seed in range(12):
        kept, bare = (gl.storage.inmem_allocate(Listing[Mapping[annotation, U32]]) for _ in range(2))
        for maps in (kept, bare):
            for _ in range(3):
                maps.append(TreeMap())

        def forget(maps: Any = bare) -> None:
            for slot in list(maps._slot.manager._slots.values()):
                slot.decoded = None

        one, two = random.Random(seed), random.Random(seed)
        for _ in range(150):
            assert step(one, kept, key, lambda: None) == step(two, bare, key, forget)
        assert content(kept) == content(bare)


def filled(annotation: Any = str, key: Callable[[int], Any] = str) -> tuple[Any, Any]:
    """A map of nine, all looked at, and the slot of its nodes."""
    view = gl.storage.inmem_allocate(Mapping[annotation, U8])
    for n in range(1, 10):
        view[key(n)] = n
    assert [view[key(n)] for n in range(1, 10)] == list(range(1, 10))
    return view, view._slot.indirect(4)


def test_a_key_written_as_bytes_is_found_under_its_new_name() -> None:
    view, nodes = filled(U8, int)
    size = view._layout.node.size
    nodes.write(8 * size, b"\x63")
    assert (view.get(9), view.get(99), list(view)[-1]) == (None, 9, 99)


def test_a_text_written_where_a_key_has_its_content_is_that_key() -> None:
    view, nodes = filled()
    nodes.indirect(8 * view._layout.node.size).write(0, b"z")
    assert (view.get("9"), view.get("z"), list(view)[-1]) == (None, 9, "z")


def test_a_link_written_as_bytes_is_followed() -> None:
    view, nodes = filled(U8, int)
    node = view._layout.node
    root = view._tree()._number(0)
    nodes.write((root - 1) * node.size + node.links_off, bytes(4))
    assert [key for key in range(1, 10) if key in view] == list(range(root, 10))


def test_a_root_written_as_bytes_is_where_the_search_begins() -> None:
    view, _ = filled(U8, int)
    root = view._slot.read(0, 4)
    view._slot.write(0, bytes(4))
    assert view.get(5) is None
    view._slot.write(0, root)
    assert view.get(5) == 5


def test_two_types_of_the_same_place_see_each_others_writes() -> None:
    view, nodes = filled(U8, int)
    twin = gl.storage.inmem_allocate(Mapping[U8, types.SIGNED["i8"]])
    twin = type(twin).at(twin._layout, view._slot, view._off)
    assert twin[3] == 3
    twin[10] = -1
    del twin[3]
    assert (view.get(3), view.get(10), nodes.decoded.layout) == (None, 255, view._layout.node)


def test_a_value_does_not_cost_what_is_decoded() -> None:
    view, nodes = filled()
    known = dict(nodes.decoded.index)
    view["5"] = 7
    assert (nodes.decoded.index, view["5"]) == (known, 7)


def test_what_another_vm_or_the_host_module_wrote_is_seen(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "m: TreeMap[u8, u8]",
        """
        self.m[1] = 10
        self.m[2] = 20
        seen = [self.m[1], self.m[2]]
        nodes = gl.storage.Root.get().contract_instance.slot().indirect(4)
        gl.wasi.storage_write(nodes.id, 11, b"\\x07")
        return [*seen, self.m.get(2), self.m[7]]
        """,
    )
    assert value_of(outcome) == [10, 20, None, 20]
