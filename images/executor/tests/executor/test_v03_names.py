"""What the second generation's library is called, as contracts import it (contract-sdk-v03 4 and 5)."""

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


STARRED = """
import pickle
import genlayer as gl
def starred(name):
    found = {}
    exec(f"from {name} import *", found)
    del found["__builtins__"]
    return found
def shown(name):
    from operator import attrgetter
    from types import ModuleType
    module = attrgetter(name)(gl) if name else gl
    values = {key: getattr(module, key) for key in dir(module) if key[0] != "_"}
    homes = {key: value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
             for key, value in values.items()}
    ours = {key for key, home in homes.items() if home.startswith(("genlayer", "_genlayer"))}
    return sorted(ours - {"Lazy", "T", "C", "K", "V"} - {f"bytes{size}" for size in range(1, 33)})
"""
STORAGE = (
    "Array Comparable DynArray Indirection Manager Pickled ROOT_SLOT_ID Root Slot TreeMap VLA allow "
    "inmem_allocate"
)
MODULES = "calldata chain contract eq_principle evm gvm32 message nondet private public storage types vm wasi"
VM = (
    "ABI Result Return RunnerID RunnerIDOps SandboxChangesOnError UserError VMError get_timestamp map_file "
    "register_runner run_nondet run_nondet_default spawn_runner spawn_sandbox trace trace_time_micro "
    "unpack_result yield_"
)
SHOWN = {
    "": f"{MODULES} Address Keccak256 SizedArray message_allocation",
    "calldata": "Address CalldataEncodable DataclassMixin DecodingError Raw decode encode to_str",
    "chain": "Account Address Event ExternalMessageParams IAccount InternalMessageParams",
    "contract": "Address Contract GenVMContractDeclaration InternalMessageParams Proxy StorageView "
    "UseBalanceParams deploy get_at interface",
    "eq_principle": "prompt_comparative prompt_non_comparative strict_eq",
    "evm": "Account Address ContractDeclaration ContractProxy DecodingError EvmContract IAccount "
    "InplaceTuple MethodEncoder calldata contract_generator contract_interface decode encode generate "
    "selector_of signature_of type_name_of",
    "gvm32": "decode encode",
    "message": "contract_address origin_address sender_address signer_address",
    "nondet": "Image NondetException exec_prompt web",
    "nondet.web": "Image Response delete get head options patch post put render request",
    "storage": "Array Comparable DynArray Indirection InmemManager Manager Pickled Root Slot TreeMap VLA "
    "allow array cast_slot copy_to_memory core dyn_array inmem_allocate root tree_map",
    "types": "Address IntegerType Keccak256 KeccakHash SizedArray keccak",
    "vm": "ABI Return RunnerID RunnerIDOps UserError VMError get_timestamp gl_call map_file public_abi "
    "register_runner run_nondet run_nondet_default spawn_runner spawn_sandbox trace trace_time_micro "
    "unpack_result yield_",
    "wasi": "get_balance get_self_balance gl_call storage_read storage_write",
}
"""What each module shows of the library's own: its names, and those that it is written with."""
EXPRESSIONS = {
    "len(starred('genlayer'))": "83",
    "sorted({*starred('genlayer')} - {*starred('genlayer.types')})": repr(sorted(MODULES.split())),
    "len(starred('genlayer.types'))": "70",
    "sorted(starred('genlayer.storage'))": repr(sorted(STORAGE.split())),
    "sorted(starred('genlayer.vm'))": repr(sorted(VM.split())),
    "gl.IS_IN_VM and callable(gl.storage.copy_to_memory) and callable(gl.storage.cast_slot)": "True",
    "[u8(5), u8('5'), u256(2**300) > 0, bigint(7), i8.__metadata__[0][:]]": "[5, 5, True, 7, (1, True)]",
    "isinstance(5, u8)": "TypeError: Subscripted generics cannot be used with class and instance checks",
    "Address(Address.ZERO) == Address(bytes(20))": "True",
    "f'{Address.ZERO:cd}'": repr("addr#" + "00" * 20),
    "f'{Address.ZERO:d}'[:0]": "TypeError: unsupported format",
    "str(gl.vm.ABI.VmError.out_of().memory().wasm_memory())": "'out_of memory wasm_memory'",
    "str(gl.vm.ABI.VmError.exit_code().val_i32(3))": "'exit_code 3'",
    "[[*map(int, one)] for one in (gl.vm.ABI.ResultCode, gl.vm.ABI.StorageView)]": "[[0, 1, 2], [0, 1, 2]]",
    "gl.vm.UserError({}).args": "()",
    "[gl.vm.UserError([1]) == gl.vm.UserError([1]), hash(gl.vm.UserError(1)) == hash(1)]": "[True, True]",
    "hash(gl.vm.UserError([]))": "TypeError: unhashable",
    "repr(gl.vm.VMError('a b # c'))": repr("VMError(message='a b # c', public_code='a b', detail='c')"),
    "gl.vm.unpack_result(gl.vm.VMError('a # b'))": "UserError: UserError('vm error: a # b')",
    "[gl.message.chain_id, gl.chain.id, gl.message.raw['datetime'] == gl.message.datetime]": "[0, 0, True]",
    "gl.message.sender": "AttributeError: module 'genlayer.message' has no attribute 'sender'",
    "gl.chain.Account(Address.ZERO).balance": "0",
    "isinstance(gl.evm.Account(Address.ZERO), gl.chain.IAccount)": "True",
    "pickle.loads(pickle.dumps(gl.vm.UserError(1)))": "TypeError: UserError.__init__() missing 1",
    **{
        f"gl.{name}": f"AttributeError: module 'genlayer' has no attribute '{name}'"
        for name in (
            "Contract",
            "message_raw",
            "advanced",
            "trace",
            "get_contract_at",
            "TreeMap",
            "Event",
            "gl",
        )
    },
    "__import__('genlayer.py')": "ModuleNotFoundError: No module named 'genlayer.py'",
}


def test_names_are_those_of_the_reference(later_line: WasiHarness) -> None:
    found = evaluate(later_line, list(EXPRESSIONS), STARRED)
    for (expression, wanted), value in zip(EXPRESSIONS.items(), found, strict=True):
        assert value.startswith(wanted), (expression, value)


PICKLED = {
    "gl.vm.Return(5)": "genlayer.vm.results",
    "gl.vm.VMError('x')": "genlayer.vm.results",
    "gl.nondet.NondetException": "genlayer.nondet.replies",
    "gl.storage.DynArray": "genlayer.storage.arrays",
    "gl.vm.register_runner": "genlayer.vm.runners",
    "gl.vm.run_nondet": "genlayer.vm.sandboxes",
    "gl.evm.DecodingError('x')": "genlayer.inner.strict_abi",
    "gl.evm.encode": "genlayer.inner.strict_abi",
}


def test_what_storage_pickled_is_found_again(later_line: WasiHarness) -> None:
    """By the path that earlier builds wrote: another is another slot, and cannot be read there."""
    imports = "import pickle\n"
    looks = [f"'{path}' in pickle.dumps({value}, 0).decode('latin-1')" for value, path in PICKLED.items()]
    looks += [f"type(pickle.loads(pickle.dumps({value}))) is type({value})" for value in PICKLED]
    assert set(evaluate(later_line, looks, STARRED + imports)) == {"True"}


def test_modules_show_no_inner_names(later_line: WasiHarness) -> None:
    imports = "import genlayer.storage.array, genlayer.storage.core, genlayer.storage.dyn_array\n"
    found = evaluate(later_line, [f"shown({name!r})" for name in SHOWN], STARRED + imports)
    assert dict(zip(SHOWN, found, strict=True)) == {
        name: repr(sorted(ours.split())) for name, ours in SHOWN.items()
    }
