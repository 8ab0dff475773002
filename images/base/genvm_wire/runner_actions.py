"""What a package's `runner.json` asks for (spec: contract-runtime 2.3, 2.4)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from math import inf
from typing import Any

from genvm_wire.contract_package import ContractPackage, Fault, PackageError
from genvm_wire.records import field, mutable, record
from genvm_wire.runner_ids import objection_to_form, objection_to_library
from genvm_wire.wasm_sections import module_name

MAX_NESTING = 128
MAX_ENV_NAME = 128
MAX_ENV_VALUE = 1024 * 1024
MAX_ENVIRONMENT = 16 * 1024 * 1024
"""Characters of all values: a short runner can name a long one in thousands of others."""
MAX_MAPPED = 16 * 1024 * 1024
"""What the files of a VM may cost together that are put somewhere, each time counted: a short runner can put
ten thousand in thousands of places. It is the executor's own memory, which is beside the VM's.
"""
_FILE_COST = 256
_LOOKED_AT = 32
"""Files that are passed over in the time of one action."""
_READ = 64
"""Characters that are searched for variables in the time of one action."""
_COPIED = 16 * 1024
"""Characters of variables that are put in, in the time of one action."""
MAX_LINKED = 64
"""Modules that are linked, each time counted: every one is compiled and instantiated."""
_SUPPORT_RUNNERS = frozenset({"cpython", "py-lib-cloudpickle", "py-lib-genlayer-std"})
"""What `py-genlayer` itself depends on; our interpreter and library contain them."""
_ABSENT_RUNNERS = frozenset(
    {
        "models-all-MiniLM-L6-v2",
        "py-lib-genlayer-embeddings",
        "py-lib-genlayermodelwrappers",
        "py-lib-protobuf",
        "py-lib-word_piece_tokenizer",
    }
)
"""Many contracts only declare them: empty here, and importing what they hold says what is missing."""
SOFTFLOAT = "softfloat"
"""A library that a contract may link without having it."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class TooMuchWork(Exception):
    """The actions cost more than they may."""


@record
class Library:
    """A WASM module that others import from; `wasm` null: one that the executor has itself, called `path`."""

    path: str
    wasm: bytes | None = None

    @property
    def name(self) -> str:
        """What the module says; reads as far into it as that takes."""
        said = None if self.wasm is None else module_name(self.wasm)
        return said or self.path.rpartition("/")[2].removesuffix(".wasm")


@mutable
class Launch:
    """What the actions came to. `wasm` is the module to start; null: the Python interpreter."""

    wasm: bytes | None = None
    linked: list[Library] = field(default_factory=list)
    """modules that are instantiated first, and that `wasm` may import from"""
    files: dict[str, bytes] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    arguments: list[str] | None = None

    @property
    def fits_started_interpreter(self) -> bool:
        """Whether an interpreter that has started already can serve it: only its files are new."""
        return self.wasm is None and not self.variables and self.arguments is None


def interpret(
    package: ContractPackage, *, line: str, debug: bool, deterministic: bool, most_work: float = inf
) -> Launch:
    """Follow the actions until something starts, for the contract line `v0.2` or `v0.3`.

    `most_work` bounds what the actions cost together: one for each action and each file that is put
    somewhere, and more where paths and values are long. It is asked before anything is made.
    Raises PackageError; TooMuchWork, where there is a bound.
    """
    return _Interpreter(package, line, debug, deterministic, most_work).launch()


class _Interpreter:
    def __init__(
        self, package: ContractPackage, line: str, debug: bool, deterministic: bool, most_work: float
    ) -> None:
        self._package = package
        self._line = line
        self._debug = debug
        self._deterministic = deterministic
        self._work_left = most_work
        self._mapped = 0
        self._environment = 0
        self._launch = Launch()
        self._seen: set[str] = set()

    def launch(self) -> Launch:
        if not self._act(self._package.runner, 0):
            raise self._malformed(
                "the runner starts nothing: it needs a Depends on py-genlayer, or StartWasm"
            )
        return self._launch

    def _malformed(self, detail: str) -> PackageError:
        return PackageError(Fault.MALFORMED, self._line, detail)

    def _spend(self, work: int) -> None:
        self._work_left -= work
        if self._work_left < 0:
            raise TooMuchWork

    def _act(self, action: object, depth: int) -> bool:
        """Run one action; whether it started something, which ends the rest."""
        self._spend(1)
        if depth > MAX_NESTING or not isinstance(action, dict):
            raise self._malformed(
                f"an action of the runner must be an object, nested at most {MAX_NESTING} deep"
            )
        names = [name for name in action if name != "$schema"]
        if len(names) != 1:
            raise self._malformed(
                f"an action of the runner must have exactly one key, not {names[:5]!r:.200}"
            )
        argument: Any = action[names[0]]
        match names[0], argument:
            case "Depends", str():
                return self._depends(argument)
            case "Seq", list():
                return any(self._act(item, depth + 1) for item in argument)
            case "When", {"cond": "det" | "nondet" as condition, "action": inner}:
                return (condition == "det") == self._deterministic and self._act(inner, depth + 1)
            case "With", {"runner": "<contract>" | "contract", "action": inner}:
                return self._act(inner, depth + 1)
            case "MapFile", {"file": str() as source, "to": str() as target}:
                return self._map_file(source, target)
            case "AddEnv", {"name": str() as name, "val": str() as value}:
                return self._add_variable(name, value)
            case "SetArgs", list() if all(isinstance(item, str) and "\0" not in item for item in argument):
                self._launch.arguments = list(argument)
                return False
            case "LinkWasm", str() if argument in self._package.files:
                return self._link(Library(argument, self._package.files[argument]))
            case "StartWasm", str() if argument in self._package.files:
                self._launch.wasm = self._package.files[argument]
                return True
        raise self._malformed(
            f"the runner's action {names[0]!r:.100} is unknown, or its argument is unusable"
        )

    def _depends(self, runner: str) -> bool:
        if runner in self._seen:
            return False
        self._seen.add(runner)
        name = runner.partition(":")[0]
        if (objection := objection_to_form(runner, self._line, debug=self._debug)) is not None:
            raise self._malformed(objection)
        if name in _SUPPORT_RUNNERS or name in _ABSENT_RUNNERS:
            return False
        if name == SOFTFLOAT:
            return self._link(Library(name))
        if (objection := objection_to_library(runner, self._line)) is not None:
            raise self._malformed(objection)
        self._map_contract(multi=name == "py-genlayer-multi")
        return True

    def _link(self, library: Library) -> bool:
        if len(self._launch.linked) == MAX_LINKED:
            raise self._malformed(f"more than {MAX_LINKED} modules are linked")
        self._launch.linked.append(library)
        return False

    def _map_contract(self, *, multi: bool) -> None:
        if multi:
            self._map_file("contract/", "/contract/")
        else:
            self._map_file("file", "/contract.py")

    def _map_file(self, source: str, target: str) -> bool:
        found = self._below(source)
        if not found:
            raise self._malformed(f"the package has no file {source!r:.200}")
        cost = cost_of_mapping(target, found)
        self._mapped += cost
        if self._mapped > MAX_MAPPED:
            raise PackageError(Fault.NO_MEMORY, self._line, "the runner maps too many files")
        self._spend(cost // _FILE_COST)
        if not all(_is_plain(target + rest) for rest in found):
            raise self._malformed(f"{target!r:.200} is no plain path")
        self._launch.files.update((_from_root(target + rest), data) for rest, data in found.items())
        return False

    def _below(self, source: str) -> Mapping[str, bytes]:
        """The file `source`, or what lies in the folder: by path below it, no longer than it is there."""
        files = self._package.files
        if not source.endswith("/"):
            return {"": files[source]} if source in files else {}
        self._spend(len(files) // _LOOKED_AT)
        folder = "" if source == "./" else source
        return {path[len(source) :]: data for path, data in files.items() if path.startswith(folder)}

    def _add_variable(self, name: str, value: str) -> bool:
        expanded = self._expanded(value)
        if not name or "=" in name or len(name) > MAX_ENV_NAME or expanded is None or "\0" in name + expanded:
            raise self._malformed(f"the environment variable {name!r:.200} has an unusable name or value")
        known = self._launch.variables
        self._environment += len(expanded) - len(known.get(name, ""))
        known[name] = expanded
        if self._environment > MAX_ENVIRONMENT:
            raise self._malformed(f"the environment is longer than {MAX_ENVIRONMENT} characters")
        return False

    def _expanded(self, value: str) -> str | None:
        """With the variables that it names; null for what gets too long, which is not made first."""
        self._spend(len(value) // _READ)
        known = self._launch.variables
        added = sum(len(known.get(match[1], "")) for match in _VARIABLE.finditer(value))
        if added > MAX_ENV_VALUE:
            return None
        self._spend(added // _COPIED)
        expanded = _VARIABLE.sub(lambda match: known.get(match[1], ""), value)
        return expanded if len(expanded) <= MAX_ENV_VALUE else None


def cost_of_mapping(target: str, paths: Collection[str]) -> int:
    """Of `MAX_MAPPED`, of `paths` put behind `target`: as the reference counts it (contract-sdk-v03 18).

    Sums lengths: what they would be together is made by nobody before it is known that there is room.
    """
    return (_FILE_COST + len(target)) * len(paths) + sum(map(len, paths))


def _is_plain(path: str) -> bool:
    return bool(path) and not path.endswith("/") and ".." not in path.split("/") and "\0" not in path


def _from_root(path: str) -> str:
    """Slashes in front and double ones say nothing: the reference has one root and no working directory."""
    return "/" + "/".join(part for part in path.split("/") if part)
