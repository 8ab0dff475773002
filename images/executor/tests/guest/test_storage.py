"""Storage views behave as contract-sdk 12 says, beyond what the vectors show."""

from __future__ import annotations

import random
from typing import Any

import pytest
from genlayer import DynArray, TreeMap, allow_storage, gl
from genlayer.py import types

from .contracts import deploy, value_of
from .native import NativeHarness

U8: Any = types.UNSIGNED["u8"]
U32: Any = types.UNSIGNED["u32"]
Mapping: Any = TreeMap
Listing: Any = DynArray


def array(*items: str) -> Any:
    return gl.storage.inmem_allocate(Listing[str], list(items))


def test_lists_index_slice_and_search_like_python_lists() -> None:
    view = array("a", "b", "c", "b")
    assert (view[-1], view[1:3], view.index("b"), view.count("b"), "c" in view) == (
        "b",
        ["b", "c"],
        1,
        2,
        True,
    )
    assert list(reversed(view)) == ["b", "c", "b", "a"]
    assert repr(view) == "['a','b','c','b']"
    assert view != ["a", "b", "c", "b"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda v: v.__delitem__(slice(1, 3)), "ad"),
        (lambda v: v.__delitem__(slice(None, None, -2)), "ac"),
        (lambda v: v.__setitem__(slice(1, 2), ["x", "y", "z"]), "axyzcd"),
        (lambda v: v.__setitem__(slice(1, 4), ["x"]), "ax"),
        (lambda v: v.__setitem__(slice(4, 4), ["x", "y"]), "abcdxy"),
        (lambda v: v.__setitem__(slice(0, 4, 2), ["x", "y"]), "xbyd"),
        (lambda v: v.remove("b"), "acd"),
        (lambda v: v.reverse(), "dcba"),
        (lambda v: v.__iadd__(["e"]), "abcde"),
        (lambda v: v.insert(-1, "x"), "abcxd"),
        (lambda v: v.clear(), ""),
    ],
)
def test_lists_change_like_python_lists(change: Any, expected: str) -> None:
    view = array(*"abcd")
    change(view)
    assert "".join(view) == expected


def test_lists_keep_their_own_rules() -> None:
    view = array("a")
    with pytest.raises(IndexError):
        view.insert(1, "b")
    assert view.pop() is None
    with pytest.raises(Exception, match="can't pop from empty array"):
        view.pop()
    with pytest.raises(TypeError, match="inmem_allocate"):
        DynArray()
    with pytest.raises(IndexError, match="out of range"):
        view[0]


def test_tree_map_agrees_with_a_dict_over_random_histories() -> None:
    chooser = random.Random(7)
    for _ in range(20):
        view = gl.storage.inmem_allocate(Mapping[U8, U32])
        model: dict[int, int] = {}
        for _ in range(200):
            key = chooser.randrange(40)
            if chooser.random() < 0.4 and key in model:
                del view[key], model[key]
            else:
                view[key] = model[key] = chooser.randrange(1000)
            assert len(view) == len(model)
        assert list(view.items()) == sorted(model.items())
        assert height(view) <= 8


def height(view: Any) -> int:
    tree = view._tree()

    def below(node: int) -> int:
        if not node:
            return 0
        left, right = below(tree._child(node, 0)), below(tree._child(node, 1))
        assert tree._balance(node) == right - left
        return 1 + max(left, right)

    return below(tree._number(0))


def test_tree_map_has_the_methods_of_a_mapping() -> None:
    view = gl.storage.inmem_allocate(Mapping[str, U32])
    assert not view
    view.update({"b": 2, "a": 1})
    assert view.setdefault("c", 3) == 3
    assert view.compute_if_absent("d", lambda: 4) == 4
    assert view.compute_if_absent("d", lambda: 5) == 4
    assert (view.get("z"), view.get("z", 0), "a" in view, "z" in view) == (None, 0, True, False)
    assert view.popitem() == ("a", 1)
    assert view.pop("b") == 2
    assert view == {"c": 3, "d": 4}
    assert (list(view.keys()), list(view.values()), repr(view)) == (["c", "d"], [3, 4], "{'c':3,'d':4}")
    with pytest.raises(KeyError):
        view["z"]
    with pytest.raises(KeyError):
        del view["z"]
    view.clear()
    assert len(view) == 0


def test_unlike_keys_fail_as_their_comparison_does_but_not_in_an_empty_map() -> None:
    view = gl.storage.inmem_allocate(Mapping[types.Address, U32])
    assert "x" not in view
    view[types.Address(bytes(20))] = 1
    with pytest.raises(AssertionError):
        _ = "x" in view


def test_an_untyped_tree_map_is_empty_and_says_how_to_type_it() -> None:
    view: Any = TreeMap()
    assert (len(view), list(view.items()), repr(view), "x" in view) == (0, [], "{}", False)
    with pytest.raises(TypeError, match="storage field first"):
        view["x"] = 1


def test_assigning_an_untyped_tree_map_empties_the_field(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "m: TreeMap[str, u8]\nn: TreeMap[u8, str]",
        """
        self.n[1] = "x"
        self.m = TreeMap()
        self.n = TreeMap()
        self.m["k"] = 5
        return [self.m, len(self.n)]
        """,
    )
    assert value_of(outcome) == [{"k": 5}, 0]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("u8", "256"),
        ("u8", "-1"),
        ("u8", "1.0"),
        ("u8", "'1'"),
        ("str", "b'x'"),
        ("str", "'\\ud800'"),
        ("bytes", "'x'"),
        ("Address", "'0x' + '00' * 20"),
        ("TreeMap[str, u8]", "{}"),
        ("Array[u8, typing.Literal[2]]", "(1, 2)"),
        ("Array[u8, typing.Literal[2]]", "[1, 2, 3]"),
        ("P", "Q(1)"),
    ],
)
def test_values_of_another_type_are_refused(harness: NativeHarness, annotation: str, value: str) -> None:
    records = """
        @allow_storage
        @dataclass
        class P:
            x: u8
        @allow_storage
        @dataclass
        class Q:
            x: u8
        """
    outcome = deploy(harness, f"a: {annotation}\nq: Q", f"self.a = {value}", records)
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert "contract.py" in outcome.stderr


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        ("int", "sized integer"),
        ("list[u8]", "DynArray"),
        ("dict[str, u8]", "TreeMap"),
        ("str | None", "cannot be a storage type"),
        ("typing.Literal[1]", "cannot be a storage type"),
        ("TreeMap", "in brackets"),
        ("Unmarked", "@allow_storage"),
        ("Array[u8, typing.Literal[0]]", "strictly positive"),
        ("Frozen", "frozen"),
        ("'Recursive'", "Recursive storage type"),
    ],
)
def test_types_that_cannot_be_stored_are_named_with_advice(
    harness: NativeHarness, annotation: str, advice: str
) -> None:
    classes = """
        class Unmarked:
            x: u8
        @allow_storage
        @dataclass(frozen=True)
        class Frozen:
            x: u8
        @allow_storage
        class Recursive:
            x: "DynArray[Recursive]"
        """
    outcome = deploy(harness, f"a: {annotation}", "pass", classes)
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert advice in outcome.stderr
    assert "field 'a' of C" in outcome.stderr


def test_records_are_views_in_storage_and_private_before(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "users: DynArray[P]",
        """
        made = P("a")
        self.users.append(made)
        made.name = "b"
        view = self.users[0]
        copy = gl.storage.copy_to_memory(view)
        self.users[0] = P("c", 9)
        return [made, view, copy, view == P("c", 9), repr(view), gl.storage.copy_to_memory(copy).name]
        """,
        """
        @dataclass
        @allow_storage
        class P:
            name: str
            n: u8 = 7
        """,
    )
    made, view, copy, same, text, again = value_of(outcome)
    assert made == {"name": "b", "n": 7}
    assert view == {"name": "c", "n": 9}
    assert copy == {"name": "a", "n": 7}
    assert (same, text, again) == (True, "P(name='c', n=9)", "a")


def test_generic_classes_say_how_to_allocate_them() -> None:
    import dataclasses
    from typing import Generic, TypeVar

    K = TypeVar("K")

    @allow_storage
    @dataclasses.dataclass
    class Box(Generic[K]):
        x: K

    box = gl.storage.inmem_allocate(Box[U8], 5)
    assert box.x == 5
    with pytest.raises(TypeError, match="inmem_allocate"):
        Box(5)


def test_string_annotations_and_class_variables(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "limit: typing.ClassVar[int] = 3\na: 'u8' = 5\n_b: \"DynArray[u8]\"",
        "self._b.append(1)\nreturn [self.a, self._b, self.limit]",
    )
    assert value_of(outcome) == [0, [1], 3]


def test_array_slices_are_views_and_vla_extend_replaces(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "a: Array[u8, typing.Literal[4]]\nv: gl.storage.Indirection[gl.storage.VLA[u8]]",
        """
        part = self.a[1:3]
        part[0] = 7
        self.a[2:4] = [8, 9]
        v = self.v.get()
        v.extend(b"abc")
        v.extend(b"de")
        v.truncate(1)
        return [self.a, part, v]
        """,
    )
    assert value_of(outcome) == [[0, 7, 8, 9], [7, 8], [100]]


def test_assigning_a_place_to_itself_changes_nothing() -> None:
    view = gl.storage.inmem_allocate(Mapping[str, Listing[str]])
    inner = view.get_or_insert_default("a")
    inner.extend(["x", "y"])
    view["a"] = inner
    assert list(view["a"]) == ["x", "y"]


def test_datetimes_before_1970_overflow(harness: NativeHarness) -> None:
    outcome = deploy(
        harness, "t: datetime.datetime", "self.t = datetime.datetime(1969, 12, 31)", "import datetime"
    )
    assert "OverflowError" in outcome.stderr
