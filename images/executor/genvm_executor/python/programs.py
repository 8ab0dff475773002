"""From contract code to something that can be instantiated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wasmtime import Engine, Module, WasmtimeError

from genvm_executor.lines import ContractLine
from genvm_executor.machine import wasm_binary
from genvm_executor.machine.outcome import VmFault
from genvm_executor.machine.vm import GuestProgram, LinkedModule
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.machine.wasm_binary import UnexpectedModule
from genvm_executor.machine.wasm_rules import Rule, Ruled, ruled
from genvm_executor.python import softfloat
from genvm_executor.python.library import PYTHON_ARGUMENTS, PYTHON_VARIABLES
from genvm_executor.python.library_bytecode import files_with_bytecode
from genvm_executor.python.precompile import load_interpreter
from genvm_executor.python.prepared import HASH_SECRET_BYTES, compiler_name, load_prepared
from genvm_wire import contract_package
from genvm_wire.records import field, record, replace
from genvm_wire.runner_actions import Launch, interpret

MAX_WASM = 32 * 1024 * 1024
MAX_COMPILED = 8


@record
class Programs:
    """Builds programs for one run. `interpreter` and `library` are shared by all of its VMs.

    `prepared` is the interpreter after its start; it cannot take other arguments or variables.
    """

    engine: Engine
    interpreter: Module
    library: FileSystem
    prepared: Module | None = None
    compiler: bytes = b""
    """names what `prepared` makes of a source"""
    compiled: dict[tuple[bytes, bool, str | None], tuple[Module, Ruled]] = field(default_factory=dict)
    """a run's own modules, by bytes and whether their VM is deterministic: sandboxes start the same again"""

    @staticmethod
    def plan(
        code: bytes, *, line: ContractLine, debug: bool, deterministic: bool, depends: str | None = None
    ) -> Launch:
        """Parse a package and follow its runner, or `depends` instead. Raises VmFault `invalid_contract…`."""
        try:
            package = contract_package.parse(code, line.name)
            if depends is not None:
                package = replace(package, runner={"Depends": depends})
            return interpret(package, line=line.name, debug=debug, deterministic=deterministic)
        except contract_package.PackageError as error:
            raise VmFault(error.vm_error, str(error)) from None

    def python(self, launch: Launch | None = None) -> GuestProgram:
        """The interpreter with the library; `launch` adds what a contract wants."""
        launch = launch or Launch()
        prepared = self.prepared if launch.fits_started_interpreter else None
        return GuestProgram(
            module=prepared or self.interpreter,
            random_drawn=HASH_SECRET_BYTES if prepared else 0,
            arguments=_encoded(launch.arguments or PYTHON_ARGUMENTS),
            variables=_encoded([*PYTHON_VARIABLES, *_pairs(launch)]),
            files=self._files(launch),
        )

    @classmethod
    def stored(cls, engine: Engine, directory: Path) -> Programs:
        """From what `precompile` left in the code cache. Raises InterpreterUnusable."""
        return cls(
            engine=engine,
            interpreter=load_interpreter(engine, directory),
            library=files_with_bytecode(directory),
            prepared=load_prepared(engine, directory),
            compiler=compiler_name(directory),
        )

    def build(self, launch: Launch, line: ContractLine, *, deterministic: bool) -> GuestProgram:
        """The program of a plan. Raises VmFault when its WASM does not compile."""
        if launch.wasm is None:
            return self.python(launch)
        module, ruled = self._compiled(launch.wasm, line, deterministic=deterministic)
        rules: dict[str | None, Mapping[int, Rule]] = {None: ruled.traps}
        linked = []
        for number, library in enumerate(launch.linked):
            mark = f"linked {number}"
            own = library.wasm is None  # with float arithmetic and all
            wasm = softfloat.module() if library.wasm is None else library.wasm
            one, of_one = self._compiled(wasm, line, deterministic=deterministic and not own, mark=mark)
            linked.append(LinkedModule(library.name, one, of_one.start))
            rules[mark] = of_one.traps
        return GuestProgram(
            module=module,
            linked=linked,
            rules=rules,
            start=ruled.start,
            arguments=_encoded(launch.arguments or ()),
            variables=_encoded(_pairs(launch)),
            files=self._files(launch),
        )

    def _files(self, launch: Launch) -> FileSystem:
        files = self.library.copy() if launch.wasm is None else FileSystem()
        for path, data in launch.files.items():
            files.add(path, data)
        return files

    def _compiled(
        self, wasm: bytes, line: ContractLine, *, deterministic: bool, mark: str | None = None
    ) -> tuple[Module, Ruled]:
        """The module under the rules, called `mark` where its traps are to be told from another's."""
        key = wasm, deterministic, mark
        if key not in self.compiled:
            if len(self.compiled) >= MAX_COMPILED:
                self.compiled.clear()
            ruled = self._under_rules(wasm, line, deterministic=deterministic)
            named = ruled.wasm if mark is None else wasm_binary.with_name(ruled.wasm, mark)
            self.compiled[key] = Module(self.engine, named), ruled
        return self.compiled[key]

    def _under_rules(self, wasm: bytes, line: ContractLine, *, deterministic: bool) -> Ruled:
        text = line.texts.invalid_wasm.format(stage="validating")
        if len(wasm) > MAX_WASM:
            raise VmFault(text, f"the WebAssembly module has {len(wasm)} bytes; {MAX_WASM} are allowed")
        try:
            Module.validate(self.engine, wasm)
            return ruled(wasm, floats=not deterministic)
        except (WasmtimeError, UnexpectedModule) as error:
            raise VmFault(text, f"the WebAssembly module is not valid: {error}") from None


def _pairs(launch: Launch) -> list[str]:
    return [f"{name}={value}" for name, value in launch.variables.items()]


def _encoded(items: tuple[str, ...] | list[str]) -> list[bytes]:
    return [item.encode("utf-8", "surrogateescape") for item in items]
