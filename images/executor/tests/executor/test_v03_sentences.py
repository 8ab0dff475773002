"""Sentences of contract-sdk-v03 that no published vector shows, one after the other in the interpreter."""

from __future__ import annotations

from pathlib import Path

import pytest

from genvm_executor.lines import V03
from genvm_executor.machine.engine import deterministic_engine, reserve_native_stack
from genvm_executor.python.programs import Programs

from .later_vectors import evaluate
from .wasi_harness import WasiHarness


@pytest.fixture(scope="module")
def later_line(precompiled: Path) -> WasiHarness:
    reserve_native_stack()
    return WasiHarness(Programs.stored(deterministic_engine(), precompiled), V03)


DEFINITIONS = """
import importlib, warnings
from genlayer.storage._internal.generate import generate_storage

A = Address(b"\\x05" * 20)
FEES = gl.vm.ABI.Permissions.CAN_USE_BALANCE_FOR_MESSAGE_FEES
StorageView = gl.contract.StorageView
VALUE, RESULT = gl.vm._decode_sub_vm_result, gl.vm._decode_sub_vm_result_retn

def imported(name, *attributes):
    module = importlib.import_module(name)
    return [getattr(module, one) for one in attributes]

def event(source):
    names = {"Event": gl.chain.Event}
    exec("class E(Event):\\n    " + source, names)
    return names["E"]

@generate_storage
class Store:
    names: DynArray[str]
    fixed: Array[str, Literal[3]]
    map: TreeMap[str, u32]
    bytes_: Indirection[VLA[u8]]

@allow
class Pair:
    left: u32
    right: u32

@generate_storage
class Pairs:
    all: DynArray[Pair]
    kept: Pickled[dict]

def filled(*items):
    made = Store()
    made.names.assign(items)
    return made.names

def done(value, *steps):
    for step in steps:
        step(value)
    return value

def tried(fn):
    try:
        return fn()
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def popped_view():
    pairs = Pairs().all
    for at in range(2):
        pairs.append_new_get().left = at + 1
    gone = pairs.pop(0)
    return gone.left, len(pairs)

def absent(map):
    def supplier():
        raise KeyError("none")
    failed = tried(lambda: map.compute_if_absent("k", supplier))
    return failed, len(map), map.compute_if_absent("k", lambda: 7)

def twins():
    slot = gl.storage.InmemManager().get_store_slot(ROOT_SLOT_ID).indirect(0).indirect(1)
    twin = gl.storage.cast_slot(VLA[u8], Root.MANAGER, slot.id, 0)
    twin.assign(b"abc")
    twin.slot().write(twin.data_offset() + 3, b"d")
    twin.set_length(4)
    return list(gl.storage.cast_slot(VLA[u8], Root.MANAGER, slot.id, 0))

def lines_of_slot():
    slot = Root.get().get_vacant_slot()
    return slot == Root.get().get_vacant_slot(), str(slot) == repr(slot) == f"Slot({slot.id.hex()})"

@dataclass
class Mixed(DataclassMixin):
    x: int
    y: str

@dataclass
class Plain:
    x: int

class Both(CalldataEncodable):
    def __to_calldata__(self):
        return 11

sent = []
def recorded(name, parameters, result):
    return lambda self, *args: sent.append((name, len(parameters), result, args))

@contract_generator(recorded, recorded, lambda proxy: 7, lambda proxy, data: sent.append(data))
class Other:
    class View:
        def see(self, n: u32, /) -> str: ...
    class Write:
        def set(self, text: str, /): ...

def generated():
    other = Other(A)
    other.view().see(5)
    other.emit(value=3).set("x")
    other.emit_transfer(value=9)
    return sent, other.balance, isinstance(other, ContractProxy)

def lazily():
    count = []
    lazy = Lazy(lambda: count.append(1) or len(count))
    return lazy.get(), lazy.get(), len(count)
"""

SENTENCES: dict[str, dict[str, str]] = {
    "4: names": {
        "imported('genlayer.storage.core', 'Slot', 'VLA')[0] is Slot": "True",
        "imported('genlayer.storage.core', 'InmemManager')[0]().get_store_slot(ROOT_SLOT_ID)": "Slot(0000",
        "imported('genlayer.storage.array', 'Array')[0] is Array": "True",
        "imported('genlayer.storage.dyn_array', 'DynArray')[0] is DynArray": "True",
        "imported('genlayer.storage.tree_map', 'TreeMap')[0] is TreeMap": "True",
        "imported('genlayer.storage.root', 'Root')[0] is Root": "True",
        "imported('genlayer.evm', 'ContractProxy', 'ContractDeclaration', 'Address')[2] is Address": "True",
        "imported('genlayer.evm.generate', 'ContractProxy')[0] is ContractProxy": "True",
        "imported('genlayer.vm.public_abi', 'StorageView')[0] is gl.vm.ABI.StorageView": "True",
        "imported('genlayer.nondet.web', 'Response', 'render')[0].__name__": "'Response'",
        "imported('genlayer._internal.on_chain.gl_call', 'gl_call_generic')[0].__name__": "'gl_call_generic'",
        "VALUE(b'\\x00' + gl.calldata.encode(5))": "5",
        "RESULT(b'\\x02exit_code 1')": "VMError(",
        "RESULT(b'')": "ValueError: empty VM result",
        "RESULT(b'\\x09')": "ValueError: unknown result code 9",
    },
    "5: types": {
        "lazily()": "(1, 1, 1)",
        "Address('0x12')": "Exception: invalid address",
        "f'{A:q}'": "TypeError: unsupported format",
        "[f'{A}' == repr(A), f'{A:s}' == A.as_hex == f'{A:x}', f'{A:b64}' == A.as_b64]": "[True, True, True]",
    },
    "6: calldata": {
        "gl.calldata.decode(gl.calldata.encode(memoryview(b'ab')))": "6162",
        "gl.calldata.encode([Raw(gl.calldata.encode(1)), 2]) == gl.calldata.encode([1, 2])": "True",
        "[Raw(b'a') == Raw(b'a'), hash(Raw(b'a')) == hash(Raw(b'a'))]": "[True, True]",
        "repr(Raw(b'a'))": repr("Raw(b'a')"),
        "gl.calldata.encode(Plain)": "TypeError: expected dataclass instance, got type",
        "gl.calldata.decode(gl.calldata.encode(Mixed(1, 'q')))": "{'x': 1, 'y': 'q'}",
        "gl.calldata.decode(gl.calldata.encode(Both(), default=lambda value: 12))": "12",
        "gl.calldata.to_str(Raw(b'\\x01'))": "'raw#01'",
        "gl.calldata.to_str([bytearray(b'\\x02'), memoryview(b'\\x03'), array.array('B', b'\\x04')])":
            "'[b#02,b#03,b#04]'",
        "gl.calldata.to_str(object())": "DecodingError: can't encode <object",
    },
    "7: contract": {
        "gl.contract.get_at('0x00')": "TypeError: address expected",
        "gl.contract.interface(object) is gl.contract.get_at": "True",
        "gl.contract.get_at(A).emit_transfer(0)": "ValueError: value must be greater than 0 for",
        "gl.contract.get_at(A).emit_transfer(value=-1)": "ValueError: value must be greater than 0",
        "gl.chain.Account(A).emit_transfer(0)": "ValueError: value must be greater than 0",
        "type('Second', (gl.contract.Contract,), {})": "TypeError: only one contract is allowed; first: `",
        "gl.contract.get_at(A).view(StorageView.DEFAULT)": "TypeError: Proxy.view() takes 1",
    },
    "8: events": {
        "event('def __init__(this, a, /): ...')": "TypeError: E.__init__: first argument must be `self`",
        "event('def __init__(self, *a): ...')": "TypeError: E.__init__: `*args` is forbidden",
        "event('def __init__(self, *, a): ...')": "TypeError: E.__init__: keyword-only arguments are",
        "event('def __init__(self, a): ...')": "TypeError: E.__init__: specify `/` after indexed fields",
        "event('pass')": "TypeError: E: event class must define __init__",
        "event('def __init__(self, b, a, /): ...').signature": "'E(a,b)'",
        "event('name = \"N\"; __init__ = lambda self, a, /, **blob: None').signature": "'N(a)'",
        "event('def __init__(self, a, /): ...')()":
            "TypeError: indexed fields mismatch, expected ('a',), but got 0 positional arguments",
        "event('def __init__(self, a, /, **blob): ...')(1, a=2)":
            "TypeError: indexed field `a` must not be present in blob",
    },
    "9: virtual machines": {
        "str(gl.vm.VMError('a b # c'))": "'VMError(\"a b # c\")'",
        "str(gl.vm.VMError('exit_code 3'))": "'VMError(\"exit_code 3\")'",
        "[gl.vm.VMError('a # b') == gl.vm.VMError('a # b'), gl.vm.VMError('a') == gl.vm.VMError('a # b')]":
            "[True, False]",
        "[str(gl.vm.UserError('x')), repr(gl.vm.UserError('x'))]": "[\"UserError('x')\", 'UserError()']",
        "gl.vm.unpack_result(gl.vm.Return(5))": "5",
        "hasattr(gl.vm.UserError(1), 'message')": "False",
        "gl.vm.RunnerID('x') == 'x' and RunnerIDOps.CONTRACT == 'contract'": "True",
        "imported('genlayer.vm.sandboxes', '_leader_stage')[0](None, 5)":
            "TypeError: leader stage data must be None",
        "[callable(one.lazy) for one in (spawn_runner, spawn_sandbox, run_nondet, run_nondet_default)]":
            "[True, True, True, True]",
    },
    "11: prompts": {
        "gl.nondet.exec_prompt('')": "ValueError: Prompt cannot be empty",
        "gl.nondet.exec_prompt('p', images=b'text')": "TypeError: expected bytes or Image, got int",
        "str(gl.nondet.NondetException(['a', 'b'], {}))": "'a: b'",
    },
    "12: the EVM": {
        "generated()": "([('see', 1, <class 'str'>, (5,)), ('set', 1, None, ('x',)), {'value': 9}], 7, True)",
        "Other(A).view().set": "AttributeError: the interface declares no method 'set' here",
        "contract_interface(type('I', (), {'View': type('View', (), {'m': lambda self, a: None})}))":
            "AssertionError: ",
        "contract_interface(type('I', (), {}))(A).emit_transfer(5)": "None",
        "isinstance(gl.evm.Account(A), gl.evm.IAccount)": "True",
    },
    "14.1: the root": {
        "gl.vm.ABI.root_offsets.CODE, gl.vm.ABI.root_offsets.CONTRACT, gl.vm.ABI.root_offsets.PERMISSIONS":
            "(2, 1, 37)",
        "Root.MANAGER.get_store_slot(ROOT_SLOT_ID) == Root.get().slot()": "True",
        "Root.MANAGER.get_store_slot(Root.get().slot().as_int()) is Root.get().slot()": "True",
        "Root.MANAGER.get_store_slot(b'short')": "ValueError: slot_id must be 32 bytes, got 5",
        "Root.MANAGER.get_store_slot('text')": "TypeError: slot_id must be u256 or bytes",
        "gl.storage.InmemManager().get_store_slot(7).id[:2]": "0700",
        "twins()": "[97, 98, 99, 100]",
        "lines_of_slot()": "(True, True)",
        "[isinstance(one.get(), VLA) for one in (Root.get().upgraders, Root.get().code)]": "[True, True]",
        "done(Root.get(), lambda root: root.set_permission(FEES, True)).permissions": "2",
        "Root.get().get_permission(FEES)": "True",
    },
    "14.2: pickled values": {
        "done(Pairs().kept, lambda kept: kept.store({'a': {1}})).load()": "{'a': {1}}",
        "Pairs().kept.load()": "EOFError",
    },
    "14.3: what differs": {
        "setattr(Store(), 'map', {'x': 1})": "TypeError: incompatible storage type: `TreeMap` <- `dict`",
        "(lambda n: (n.pop(), n.pop(0), list(n)))(filled('a', 'b', 'c'))": "('c', 'a', ['b'])",
        "filled().pop()": "IndexError",
        "filled('a').pop(5)": "IndexError",
        "popped_view()": "(2, 1)",
        "list(done(filled('a', 'b'), lambda n: n.insert(2, 'end'), lambda n: n.insert(-9, 'first'), "
        "lambda n: n.insert(99, 'last')))": "['first', 'a', 'b', 'end', 'last']",
        "filled('a').assign(['x', 'y'])": "['x','y']",
        "list(done(Store().map, lambda m: m.update(z=1)).assign({'b': 2, 'a': 1}))": "['a', 'b']",
        "list(done(filled('a', 'b', 'c'), lambda n: n.__setitem__(slice(1, 2), (one for one in 'xy'))))":
            "['a', 'x', 'y', 'c']",
        "list(done(Store().bytes_.get(), lambda v: v.extend(b'ab'), lambda v: v.extend([99])))":
            "[97, 98, 99]",
        "list(done(Store().bytes_.get(), lambda v: v.extend(b'abc'), lambda v: v.assign(b'd'), "
        "lambda v: v.set_length(3)))": "[100, 98, 99]",
        "absent(Store().map)": "(\"KeyError: 'none'\", 0, 7)",
        "TreeMap()": "TypeError: this class can't be instantiated by user, please, use gl.storage",
        "TreeMap[str, u8]()": "TypeError: this class can't be instantiated by user, please, use",
        "DynArray()": "TypeError: this class can't be instantiated by user",
        "Array()": "TypeError: this class can not be instantiated by user",
        "Indirection()": "TypeError: this class can not be instantiated by user",
        "Store().fixed[::2]": "KeyError: 'negative step is not supported'",
        "list(Store().fixed)": "['', '', '']",
        "gl.calldata.decode(gl.calldata.encode([filled('a'), Store().map, Store().fixed]))":
            "[['a'], {}, ['', '', '']]",
        "len(inmem_allocate(TreeMap[str, u8]))": "0",
        "list(inmem_allocate(DynArray[u8], [1]))": "[1]",
    },
    "18: numbers": {
        "struct.pack('<d', float('inf') - float('inf')).hex()": "'000000000000f87f'",
        "hash('')": "0",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def found(later_line: WasiHarness) -> dict[str, str]:
    """All of them in one VM."""
    asked = [sentence for section in SENTENCES.values() for sentence in section]
    return dict(zip(asked, evaluate(later_line, asked, DEFINITIONS), strict=True))


@pytest.mark.parametrize("section", SENTENCES)
def test_a_sentence_holds(found: dict[str, str], section: str) -> None:
    wanted = SENTENCES[section]
    assert {one: found[one] for one in wanted if not found[one].startswith(wanted[one])} == {}
