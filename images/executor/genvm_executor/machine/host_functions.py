"""Functions of the host that a guest calls, as directly as the engine allows.

The binding makes an object of the caller and of each value and asks each for its type: that is most of what
a call takes. Here the types are the function's own, which the engine holds the guest to, and the values of a
call are read from its memory in one piece.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from typing import Final

import wasmtime._func as binding
from wasmtime import FuncType, Linker, Trap, ValType, WasmtimeError
from wasmtime import _ffi as ffi

_TYPES: Final = {"i": ValType.i32, "I": ValType.i64}
_VALUES: Final = {"i": "i12x", "I": "q8x"}
"""A value takes 16 bytes, whatever its type."""
_SUCCESS: Final = bytes(4)
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
)


@_Callback  # type: ignore[untyped-decorator]
def _call(handle: int, _caller: int, values: int, _count: int) -> int:
    try:
        function, layout = binding.FUNCTIONS.get(handle)
        result = function(*layout.unpack(ctypes.string_at(values, layout.size)))
        ctypes.memmove(values, result.to_bytes(4, "little") if result else _SUCCESS, 4)
    except BaseException as error:
        # As the binding does: whoever entered the guest raises it again.
        binding.LAST_EXCEPTION = error  # type: ignore[assignment]
        trap = Trap("python exception")._consume()
        return ctypes.cast(trap, ctypes.c_void_p).value or 0
    return 0


_CALL = ctypes.cast(_call, ffi.wasmtime_func_unchecked_callback_t)


def define(linker: Linker, module: str, name: str, parameters: str, function: Callable[..., int]) -> None:
    """Let guests of `linker` import `function`: it answers an i32, given as 0 to 2**32 - 1.

    `parameters`: `i` for i32, `I` for i64; they come as signed numbers. What it raises ends the guest and is
    raised where that was called. `proc_exit` answers nothing.
    """
    results = [] if name == "proc_exit" else [ValType.i32()]
    # Held until the engine has read it: it is freed with its object.
    kind = FuncType([_TYPES[one]() for one in parameters], results)
    layout = struct.Struct("<" + "".join(_VALUES[one] for one in parameters))
    module_name, own_name = module.encode(), name.encode()
    error = ffi.wasmtime_linker_define_func_unchecked(
        linker.ptr(),
        ctypes.create_string_buffer(module_name),
        len(module_name),
        ctypes.create_string_buffer(own_name),
        len(own_name),
        kind.ptr(),
        _CALL,
        binding.FUNCTIONS.allocate((function, layout)),
        binding.finalize,
    )
    if error:
        raise WasmtimeError._from_ptr(error)
