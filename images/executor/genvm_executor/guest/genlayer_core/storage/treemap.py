"""`TreeMap`: an AVL tree whose every byte is part of the state (contract-sdk 12.5)."""

from __future__ import annotations

import typing
from collections.abc import Callable, ItemsView, Iterator, MutableMapping, ValuesView
from typing import Any, Generic, TypeVar

from .arrays import copy_items
from .avl import NodeLayout, Tree
from .layout import Layout
from .rules import mismatch
from .slots import ROOT_SLOT_ID, MemoryManager, Slot
from .view import View, ViewLayout

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


class TreeMap(View, MutableMapping[K, V], Generic[K, V]):
    """A sorted map in storage. Keys are compared with `<` only.

    `TreeMap()` in code gives an empty map without a type, good only for assigning it to a field.
    """

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise TypeError("TreeMap() takes no content; assign to its keys once it is a storage field")
        self._layout = None
        self._slot = MemoryManager().slot(ROOT_SLOT_ID)
        self._off = 0

    def _tree(self) -> Tree:
        if self._layout is None:
            raise TypeError(
                "TreeMap() made in code has no key and value type; assign it to a storage field first, "
                "or use gl.storage.inmem_allocate(TreeMap[K, V])"
            )
        return Tree(self._slot, self._off, self._layout.node)

    def _find(self, key: K) -> tuple[Tree, int]:
        tree = self._tree()
        return tree, tree.find(key)

    def __len__(self) -> int:
        return 0 if self._layout is None else self._tree().count()

    def __iter__(self) -> Iterator[K]:
        if self._layout is not None:
            tree = self._tree()
            for node in tree.nodes_in_order():
                yield tree.key_of(node)

    def __reversed__(self) -> Iterator[K]:
        return reversed(list(self))

    def __getitem__(self, key: K) -> V:
        tree, node = self._find(key)
        if not node:
            raise KeyError(key)
        return tree.value_of(node)  # type: ignore[no-any-return]

    def __setitem__(self, key: K, value: V) -> None:
        tree = self._tree()
        node, path = tree.descend(key)
        if node:
            tree.set_value(node, value)
        else:
            tree.insert(key, path, lambda new: tree.set_value(new, value))

    def __delitem__(self, key: K) -> None:
        self._tree().delete(key)

    def __contains__(self, key: Any) -> bool:
        return self._layout is not None and self._find(key)[1] != 0

    def get(self, key: K, default: Any = None) -> Any:
        """The value, or `default`."""
        if self._layout is None:
            return default
        tree, node = self._find(key)
        return tree.value_of(node) if node else default

    def get_or_insert_default(self, key: K) -> V:
        """The value. A missing key is inserted without writing one, so a reused node shows its old value."""
        tree = self._tree()
        node, path = tree.descend(key)
        if not node:
            node = tree.insert(key, path, lambda _: None)
        return tree.value_of(node)  # type: ignore[no-any-return]

    def compute_if_absent(self, key: K, compute: Callable[[], V]) -> V:
        """The value; for a missing key `compute()` is stored first."""
        tree, node = self._find(key)
        if not node:
            self[key] = compute()
            return self[key]
        return tree.value_of(node)  # type: ignore[no-any-return]

    def clear(self) -> None:
        """Make it empty; the nodes' bytes stay."""
        if self._layout is not None:
            self._tree().clear()

    def items(self) -> ItemsView[K, V]:
        """Keys with their values, ascending."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Values in the order of their keys."""
        return _Values(self)

    def __repr__(self) -> str:
        return "{" + ",".join(f"{key!r}:{value!r}" for key, value in self.items()) + "}"


class _Items(ItemsView[K, V]):
    _mapping: TreeMap[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        if self._mapping._layout is not None:
            tree = self._mapping._tree()
            for node in tree.nodes_in_order():
                yield tree.key_of(node), tree.value_of(node)


class _Values(ValuesView[V]):
    _mapping: TreeMap[Any, V]

    def __iter__(self) -> Iterator[V]:
        for _, value in self._mapping.items():
            yield value


class TreeMapLayout(ViewLayout):
    """root u32, nodes DynArray, free DynArray[u32]."""

    size = 12

    def __init__(self, annotation: Any, key: Layout, value: Layout) -> None:
        self.annotation = annotation
        self.view = typing.get_origin(annotation)
        self.node = NodeLayout(key, value)

    def get(self, slot: Slot, off: int) -> TreeMap[Any, Any]:
        return self.view.at(self, slot, off)  # type: ignore[no-any-return]

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if not isinstance(value, TreeMap):
            raise mismatch(TreeMap.__name__, value)
        if value._layout is None:
            slot.write(off, bytes(12))
            return
        if value._layout is not self:
            raise mismatch(str(self.annotation), value)
        self.copy(value._slot, value._off, slot, off)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        if source is target and source_off == target_off:
            return
        head = source.read(source_off, 12)
        target.write(target_off, head)
        count, free = int.from_bytes(head[4:8], "little"), int.from_bytes(head[8:], "little")
        nodes = ((source.indirect(source_off + 4), 0), (target.indirect(target_off + 4), 0))
        copy_items(self.node, count, *nodes)
        if free:
            content = source.indirect(source_off + 8).read(0, free * 4)
            target.indirect(target_off + 8).write(0, content)
