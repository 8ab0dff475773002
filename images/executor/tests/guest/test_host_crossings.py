"""The buffer in front of the host: few crossings, exact bytes, refusals where the contract can see them."""

from __future__ import annotations

from .contracts import HEADER, deploy, value_of
from .native import NativeHarness
from .vectors import Step

CONTRACT_SLOT = "372d46c3ada9f897c74d349bbfe0e450c798167c9f580f8daf85def57e96c3ea"


def crossings(harness: NativeHarness, kind: str, slot: str = CONTRACT_SLOT) -> list[list[object]]:
    return [entry[2:] for entry in harness.journal if entry[0] == kind and entry[1] == slot]


def test_adjacent_writes_reach_the_host_as_one(harness: NativeHarness) -> None:
    deploy(
        harness, "\n".join(f"f{n}: u32" for n in range(8)), "\n".join(f"self.f{n} = {n}" for n in range(8))
    )
    assert crossings(harness, "write") == [[0, "".join(n.to_bytes(4, "little").hex() for n in range(8))]]


def test_writes_need_no_reads_and_repeated_writes_go_once(harness: NativeHarness) -> None:
    deploy(harness, "a: u8\nb: u8", "self.a = 1\nfor i in range(50): self.b = i")
    assert crossings(harness, "read") == []
    assert crossings(harness, "write") == [[0, "0131"]]


def test_nothing_is_written_that_the_contract_did_not_write(harness: NativeHarness) -> None:
    deploy(harness, "a: u8\nb: u8\nc: u8", "self.a = 1\nself.a = 2\nx = self.b\nself.c = 3")
    assert crossings(harness, "write") == [[0, "02"], [2, "03"]]


def test_reads_see_pending_writes(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "a: DynArray[u16]",
        """
        self.a.extend(range(1000))
        before = self.a[500]
        self.a[500] = 7
        return [before, self.a[499], self.a[500], self.a[999], sum(self.a)]
        """,
    )
    assert value_of(outcome) == [500, 499, 7, 999, sum(range(1000)) - 500 + 7]


def test_reading_on_in_sequence_asks_for_more_at_a_time(harness: NativeHarness) -> None:
    source = (
        HEADER + "class C(gl.Contract):\n    a: DynArray[u32]\n    def __init__(self):\n"
        "        self.a.extend(range(20000))\n    @gl.public.view\n    def s(self): return sum(self.a)\n"
    )
    init = Step(harness.encode({}), message={"is_init": True})
    outcomes = harness.run(source, [init, Step(harness.encode({"method": "s"}))])
    assert value_of(outcomes[1]) == sum(range(20000))
    assert len([entry for entry in harness.journal if entry[0] == "read"]) < 20


def test_what_was_written_is_in_storage_before_another_vm_starts(harness: NativeHarness) -> None:
    deploy(
        harness,
        "a: u8\nb: u8",
        "self.a = 1\nself.b = 2\ngl.get_contract_at(self.address).emit().foo()\nself.b = 3",
    )
    kinds = [entry[0] for entry in harness.journal if entry[0] in ("write", "call")]
    writes_before = kinds[: kinds.index("call")].count("write")
    locked_list = 1
    assert writes_before == 1 + locked_list


def test_new_keys_cross_to_the_host_together(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "m: TreeMap[str, u256]",
        "for i in range(400): self.m[f'k{i * 7 % 400}'] = i\nreturn [self.m['k7'], len(self.m)]",
    )
    assert value_of(outcome) == [1, 400]
    assert sum(entry[0] in ("read", "batch") for entry in harness.journal) <= 4


def test_many_new_bytes_go_to_the_host_before_the_end(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "a: DynArray[str]",
        "for i in range(5000): self.a.append(f'{i}')\nreturn [self.a[0], self.a[4999], len(self.a)]",
    )
    assert value_of(outcome) == ["0", "4999", 5000]
    assert sum(entry[0] == "batch" for entry in harness.journal) == 2


def test_a_large_value_is_written_over_what_waits_and_read_back(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "a: bytes",
        """
        self.a = b"first" * 100
        content = gl.storage.Root.get().contract_instance.slot().indirect(0)
        content.write(700, b"end")
        self.a = bytes(range(256)) * 100
        self.a = self.a[:-1]
        content.write(300, b"here")
        return [self.a[298:306], content.read(25598, 4), len(self.a)]
        """,
    )
    assert value_of(outcome) == [b"*+here01", b"\xfe\xff\x00\x00", 25599]


def test_a_locked_slot_is_refused_at_the_statement_that_writes(harness: NativeHarness) -> None:
    harness.world = {"locked": [CONTRACT_SLOT]}
    outcome = deploy(
        harness,
        "a: u8",
        """
        try:
            self.a = 1
        except SystemError as error:
            return [str(error), self.a]
        """,
    )
    assert value_of(outcome) == ["6: forbidden", 0]


def test_a_run_that_may_not_write_fails_with_the_hosts_error(harness: NativeHarness) -> None:
    harness.world = {"writable": False}
    outcome = deploy(harness, "a: u8", "self.a = 1")
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert "SystemError: 6: forbidden" in outcome.stderr


def test_leaving_with_status_zero_keeps_the_writes(harness: NativeHarness) -> None:
    outcome = deploy(harness, "a: u8\nb: u8", "self.a = 1\nself.b = 2\nexit(0)")
    assert (outcome.kind, outcome.slots[CONTRACT_SLOT]) == ("Return", b"\x01\x02")


def test_the_host_module_sees_the_same_storage(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "a: u8\nb: u8",
        """
        self.a = 1
        self.b = 2
        slot = gl.storage.Root.get().contract_instance.slot().id
        seen = bytearray(2)
        gl.wasi.storage_read(slot, 0, seen)
        gl.wasi.storage_write(slot, 1, b"\\x09")
        return [bytes(seen), self.b]
        """,
    )
    assert value_of(outcome) == [b"\x01\x02", 9]


def test_a_slot_is_usable_to_its_last_byte_and_not_beyond(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "a: u8",
        """
        slot = gl.storage.Root.get().contract_instance.slot()
        seen = [slot.read(2**32 - 2, 2)]
        for act in (lambda: slot.read(2**32 - 1, 2), lambda: slot.write(2**32 - 1, b"xy")):
            try:
                act()
            except SystemError as error:
                seen.append(str(error))
        return seen
        """,
    )
    assert value_of(outcome) == [bytes(2), "2: inval", "2: inval"]
