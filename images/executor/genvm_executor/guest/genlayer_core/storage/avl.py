"""The AVL tree under `TreeMap`, in terms of node numbers (1-based, 0 = none) and bytes.

Every step writes exactly what contract-sdk 12.5 says: stale nodes and the free list's order are state.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from .layout import Layout
from .slots import Slot

LEFT, RIGHT, BALANCE, KEY = range(4)
_LINKS = struct.Struct("<IIb")
_UNREAD = object()
MAX_ENTRIES = 1 << 16

# A path is what lies above a node: (parent, side) from the root down.
Path = list[tuple[int, int]]


class NodeLayout(Layout):
    """key, value, left u32, right u32, balance i8 (height of right − height of left)."""

    def __init__(self, key: Layout, value: Layout) -> None:
        self.key = key
        self.value = value
        self.value_off = key.size
        self.links_off = key.size + value.size
        self.size = self.links_off + _LINKS.size
        self.flat = key.flat and value.flat
        self.exact = key.exact

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        self.key.copy(source, source_off, target, target_off)
        self.value.copy(source, source_off + self.value_off, target, target_off + self.value_off)
        links = source.read(source_off + self.links_off, _LINKS.size)
        target.write(target_off + self.links_off, links)


class Nodes:
    """What has been decoded of a tree's nodes: it says what the bytes say, or nothing.

    `entries`: node → [left, right, balance, what orders its key]. `index`: what orders a key → the node where
    a descent from `root` found it; all nodes on the way have entries.
    """

    __slots__ = ("entries", "index", "layout", "root", "slot")

    def __init__(self, slot: Slot, layout: NodeLayout) -> None:
        self.slot = slot
        self.layout = layout
        self.root = 0
        self.entries: dict[int, list[Any]] = {}
        self.index: dict[Any, int] = {}

    def overwritten(self, slot: Slot, off: int, n: int) -> None:
        """Somebody else writes: values are his business, and nodes that nothing is known of."""
        if slot is self.slot:
            layout = self.layout
            number, at = divmod(off, layout.size)
            if at + n <= layout.size:
                in_value = at >= layout.value_off and at + n <= layout.links_off
                if in_value or number + 1 not in self.entries:
                    return
        self.forget()

    def forget(self) -> None:
        """Nothing is known."""
        self.entries.clear()
        self.index.clear()

    def under(self, root: int) -> Nodes:
        """Itself: for a descent from `root`, which somebody else may have set."""
        if len(self.entries) > MAX_ENTRIES:
            self.forget()
        if root != self.root:
            self.index.clear()
            self.root = root
        return self

    def load(self, node: int) -> list[Any]:
        """The entry of a node that has none, without its key."""
        at = (node - 1) * self.layout.size + self.layout.links_off
        entry = self.entries[node] = [*_LINKS.unpack(self.slot.read(at, _LINKS.size)), _UNREAD]
        return entry

    def load_key(self, node: int, entry: list[Any]) -> Any:
        """What orders the key of a node of which it was not read yet."""
        at = (node - 1) * self.layout.size
        entry[KEY] = plain = self.layout.key.plain(self.slot, at)
        if not self.layout.key.flat:
            self.slot.indirect(at).keep(self)
        return plain

    def drop(self, node: int) -> None:
        """The node is no longer part of the tree."""
        entry = self.entries.pop(node, None)
        if entry is None or entry[KEY] is _UNREAD:
            return
        self.index.pop(entry[KEY], None)
        if not self.layout.key.flat:
            self.slot.indirect((node - 1) * self.layout.size).decoded = None


class Tree:
    """The tree at (slot, off): root u32, nodes count u32, free count u32. For one operation."""

    __slots__ = ("known", "node", "nodes", "off", "slot")

    def __init__(self, slot: Slot, off: int, node: NodeLayout) -> None:
        self.slot = slot
        self.off = off
        self.node = node
        self.nodes = nodes = slot.indirect(off + 4)
        known = nodes.decoded
        if not isinstance(known, Nodes) or known.layout is not node or known.slot is not nodes:
            known = Nodes(nodes, node)
            nodes.keep(known)
        self.known = known

    # numbers in place

    def _number(self, at: int) -> int:
        return self.slot.number(self.off + at, 4)

    def _set_number(self, at: int, number: int) -> None:
        self.slot.write(self.off + at, number.to_bytes(4, "little"))

    def count(self) -> int:
        """How many entries there are."""
        return self._number(4) - self._number(8)

    def clear(self) -> None:
        """No root, no nodes, nothing free."""
        self.slot.write(self.off, bytes(12))

    # node fields

    def _at(self, node: int) -> int:
        return (node - 1) * self.node.size

    def key_of(self, node: int) -> Any:
        """The node's key."""
        if self.node.exact is None:
            return self.node.key.get(self.nodes, self._at(node))
        entry = self._entry(node)
        plain = entry[KEY]
        return self.node.key.value_of(self.known.load_key(node, entry) if plain is _UNREAD else plain)

    def value_of(self, node: int) -> Any:
        """The node's value, a live view for records and collections."""
        layout = self.node
        return layout.value.get(self.nodes, (node - 1) * layout.size + layout.value_off)

    def set_value(self, node: int, value: Any) -> None:
        """Store the node's value."""
        layout = self.node
        layout.value.set(self.nodes, (node - 1) * layout.size + layout.value_off, value)

    def _entry(self, node: int) -> list[Any]:
        return self.known.entries.get(node) or self.known.load(node)

    def _child(self, node: int, side: int) -> int:
        return self._entry(node)[side]  # type: ignore[no-any-return]

    def _set_child(self, node: int, side: int, child: int) -> None:
        self.nodes.put(self._at(node) + self.node.links_off + 4 * side, child.to_bytes(4, "little"))
        if (entry := self.known.entries.get(node)) is not None:
            entry[side] = child

    def _balance(self, node: int) -> int:
        return self._entry(node)[BALANCE]  # type: ignore[no-any-return]

    def _set_balance(self, node: int, balance: int) -> None:
        at = self._at(node) + self.node.links_off + 8
        self.nodes.put(at, balance.to_bytes(1, "little", signed=True))
        if (entry := self.known.entries.get(node)) is not None:
            entry[BALANCE] = balance

    # walking

    def find(self, key: Any) -> int:
        """The node with this key, 0 when there is none."""
        if type(key) is self.node.exact:
            known, root = self.known, self.slot.number(self.off, 4)
            if root == known.root:
                node = known.index.get(self.node.key.plain_of(key))
                if node is not None:
                    return node
        return self.descend(key)[0]

    def descend(self, key: Any) -> tuple[int, Path]:
        """The node with this key, or 0 with the path to where it belongs."""
        if type(key) is not self.node.exact:
            return self._descend_comparing(key)
        plain = self.node.key.plain_of(key)
        path: Path = []
        node = self._number(0)
        known = self.known.under(node)
        entries = known.entries
        while node:
            entry = entries.get(node) or known.load(node)
            here = entry[KEY]
            if here is _UNREAD:
                here = known.load_key(node, entry)
            if plain < here:
                side = LEFT
            elif here < plain:
                side = RIGHT
            else:
                break
            path.append((node, side))
            node = entry[side]
        if node:
            known.index[plain] = node
        return node, path

    def _descend_comparing(self, key: Any) -> tuple[int, Path]:
        """`descend` with whatever the keys' type and `<` make of this key."""
        path: Path = []
        node = self._number(0)
        self.known.under(node)
        while node:
            here = self.key_of(node)
            if key < here:
                side = LEFT
            elif here < key:
                side = RIGHT
            else:
                break
            path.append((node, side))
            node = self._child(node, side)
        return node, path

    def nodes_in_order(self) -> Iterator[int]:
        """Node numbers in ascending order of their keys."""
        above: list[int] = []
        node = self._number(0)
        while above or node:
            while node:
                above.append(node)
                node = self._child(node, LEFT)
            node = above.pop()
            yield node
            if len(self.known.entries) > MAX_ENTRIES:
                self.known.forget()
            node = self._child(node, RIGHT)

    def _link(self, path: Path, node: int) -> None:
        """Hang a node where the path ends."""
        if path:
            parent, side = path[-1]
            self._set_child(parent, side, node)
        else:
            self._set_number(0, node)
            self.known.root = node

    # inserting

    def insert(self, key: Any, path: Path, store: Callable[[int], None]) -> int:
        """Insert a key where `descend` did not find it; `store(node)` writes the value. The new node."""
        node = self._allocate()
        self.node.key.set(self.nodes, self._at(node), key)
        store(node)
        self.nodes.write(self._at(node) + self.node.links_off, bytes(_LINKS.size))
        self.known.entries[node] = [0, 0, 0, _UNREAD]
        self._link(path, node)
        self._grown(path)
        return node

    def _allocate(self) -> int:
        free = self._number(8)
        if not free:
            count = self._number(4) + 1
            self._set_number(4, count)
            return count
        index = self.slot.indirect(self.off + 8).number((free - 1) * 4, 4)
        self._set_number(8, free - 1)
        return index + 1

    def _grown(self, path: Path) -> None:
        while path:
            node, side = path.pop()
            balance = self._balance(node) + (1 if side == RIGHT else -1)
            if abs(balance) < 2:
                self._set_balance(node, balance)
                if balance == 0:
                    return
                continue
            self._link(path, self._rotate(node, side))
            return

    # deleting

    def delete(self, key: Any) -> None:
        """Take a key out. Raises KeyError."""
        node, path = self.descend(key)
        if not node:
            raise KeyError(key)
        left, right = self._child(node, LEFT), self._child(node, RIGHT)
        self._release(node)
        if left and right:
            self._replace_by_successor(node, left, right, path)
        else:
            child = left or right
            self._link(path, child)
            if child:
                self._set_balance(child, 0)
        self.known.drop(node)
        self._shrunk(path)

    def _release(self, node: int) -> None:
        count = self._number(4)
        if node == count:
            self._set_number(4, count - 1)
            return
        free = self._number(8)
        self._set_number(8, free + 1)
        self.slot.indirect(self.off + 8).write(free * 4, (node - 1).to_bytes(4, "little"))

    def _replace_by_successor(self, node: int, left: int, right: int, path: Path) -> None:
        """Put the leftmost node of the right subtree in the node's place; extends `path` to where it was."""
        below: Path = []
        successor = right
        while child := self._child(successor, LEFT):
            below.append((successor, LEFT))
            successor = child
        self._set_child(successor, LEFT, left)
        if below:
            self._set_child(below[-1][0], LEFT, self._child(successor, RIGHT))
            self._set_child(successor, RIGHT, right)
        self._set_balance(successor, self._balance(node))
        self._link(path, successor)
        path.append((successor, RIGHT))
        path += below

    def _shrunk(self, path: Path) -> None:
        while path:
            node, side = path.pop()
            balance = self._balance(node) + (1 if side == LEFT else -1)
            if abs(balance) < 2:
                self._set_balance(node, balance)
                if balance:
                    return
                continue
            heavy = RIGHT if balance > 0 else LEFT
            sibling_balance = self._balance(self._child(node, heavy))
            self._link(path, self._rotate(node, heavy))
            if sibling_balance == 0:
                return

    # rotating

    def _rotate(self, upper: int, heavy: int) -> int:
        """Rebalance a node whose `heavy` side is two higher; the new top."""
        lower = self._child(upper, heavy)
        inward = 1 if heavy == LEFT else -1
        if self._balance(lower) * inward > 0:
            return self._rotate_double(upper, lower, heavy)
        return self._rotate_single(upper, lower, heavy)

    def _rotate_single(self, upper: int, lower: int, heavy: int) -> int:
        self._set_child(upper, heavy, self._child(lower, 1 - heavy))
        self._set_child(lower, 1 - heavy, upper)
        lean = (-1 if heavy == LEFT else 1) if self._balance(lower) == 0 else 0
        self._set_balance(upper, lean)
        self._set_balance(lower, -lean)
        return lower

    def _rotate_double(self, upper: int, middle: int, heavy: int) -> int:
        top = self._child(middle, 1 - heavy)
        self._set_child(upper, heavy, self._child(top, 1 - heavy))
        self._set_child(middle, 1 - heavy, self._child(top, heavy))
        self._set_child(top, heavy, middle)
        self._set_child(top, 1 - heavy, upper)
        lean = self._balance(top)
        outward = -1 if heavy == LEFT else 1
        self._set_balance(middle, outward if lean * outward < 0 else 0)
        self._set_balance(upper, -outward if lean * outward > 0 else 0)
        self._set_balance(top, 0)
        return top
