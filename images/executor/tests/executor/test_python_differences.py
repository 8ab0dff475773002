"""What a contract's Python does otherwise than CPython on Linux: the table in docs/contracts.md."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest

from genvm_executor.machine.engine import deterministic_engine
from genvm_executor.machine.outcome import RETURN_NULL
from genvm_executor.machine.output import OutputTail
from genvm_executor.machine.vm import Guest, GuestSurroundings
from genvm_executor.machine.wasm_binary import PAGE, initial_pages
from genvm_executor.python.interpreter import STACK_BYTES, read_interpreter
from genvm_executor.python.programs import Programs
from genvm_wire.runner_actions import Launch

from .conftest import Run
from .executor_process import call
from .test_python_contracts import HEADER

# name: (what is run, `r` or the exception that it ends with)
ROWS = {
    "asyncio.run": ("import asyncio\nasync def f(): pass\nasyncio.run(f())", "OSError"),
    "thread": ("import threading\nthreading.Thread(target=print).start()", "RuntimeError"),
    "thread pool": ("from concurrent.futures import ThreadPoolExecutor", "ModuleNotFoundError"),
    "await without a loop": (
        "async def f(): return 5\ntry: f().send(None)\nexcept StopIteration as e: r = e.value",
        5,
    ),
    "process": ("import subprocess\nsubprocess.run(['ls'])", "OSError"),
    "fork": ("import os\nos.fork()", "AttributeError"),
    "socket": ("import socket\nsocket.socket()", "OSError"),
    "sleep": ("import time\ntime.sleep(1)", "OSError"),
    "moment": ("import time\nr = [time.time() == time.time(), time.monotonic()]", [True, 1767323045.0]),
    "local time": ("import datetime\nr = str(datetime.datetime.now().astimezone().tzinfo)", "UTC"),
    "time zones": ("import zoneinfo\nzoneinfo.ZoneInfo('Europe/Paris')", "ZoneInfoNotFoundError"),
    "temporary file": ("import tempfile\ntempfile.TemporaryFile()", "FileNotFoundError"),
    "input": ("input()", "EOFError"),
    "pbkdf2_hmac": ("import hashlib\nhashlib.pbkdf2_hmac('sha256', b'a', b'b', 1)", "AttributeError"),
    "scrypt": ("import hashlib\nhashlib.scrypt", "AttributeError"),
    "ripemd160": ("import hashlib\nhashlib.new('ripemd160')", "ValueError"),
    "hmac": ("import hmac\nr = hmac.digest(b'', b'', 'md5').hex()", hmac.digest(b"", b"", "md5").hex()),
    "sizes": (
        "import sys, array\nr = [sys.maxsize, sys.hash_info.width, array.array('l').itemsize]",
        [2**31 - 1, 32, 4],
    ),
    "length": ("len(range(2**31))", "OverflowError"),
    "order of a set": ("r = list({'a', 'b', 'c', 'd', 'e'})", ["d", "e", "a", "b", "c"]),
    "hash of text": ("r = hash('a')", -1370957211),
    "hash of a fraction": ("r = hash(1.5)", 2**30 + 1),
    "last bit": ("import math\nr = math.cbrt(5).hex()", "0x1.b5c0fbcfec4d4p+0"),
    "platform": ("import sys\nr = [sys.platform, list(sys.version_info[:3])]", ["wasi", [3, 12, 0]]),
    "nesting through C": ("r = [deepest(nested), deepest(objects), deepest(memoised)]", [1491, 496, 496]),
    "nesting in Python": ("r = 900 < deepest(plain) < 1000", True),
    "nesting in Python, allowed": ("import sys\nsys.setrecursionlimit(9000)\nplain(8000)\nr = 1", 1),
}  # fmt: skip
MISSING = (
    "ctypes", "curses", "dbm.gnu", "fcntl", "grp", "lzma", "mmap", "multiprocessing", "pwd", "readline",
    "resource", "ssl", "syslog", "termios", "tkinter",
)  # fmt: skip
THERE = ("bz2", "csv", "decimal", "sqlite3", "unicodedata", "xml.etree.ElementTree", "zlib")
HELP = """
import functools
def nested(n):
    x = []
    for _ in range(n): x = [x]
    repr(x)
class objects:
    def __init__(self, n): self.x = objects(n - 1) if n else None
def memoised(n):
    @functools.cache
    def f(n): return n and f(n - 1)
    f(n)
def plain(n): return n and plain(n - 1)
def deepest(f):
    low, high = 1, 2000
    while high - low > 1:
        middle = (low + high) // 2
        try: f(middle)
        except RecursionError: high = middle
        else: low = middle
    return low
"""
TABLE = f"""
import json
def tried(source):
    names = {{}}
    exec(HELP, names)
    try: exec(source, names)
    except Exception as e: return type(e).__name__
    return names.get("r")
HELP = {HELP!r}
ROWS = {{name: source for name, (source, _) in {ROWS!r}.items()}}
class C(gl.Contract):
    x: u256
    @gl.public.write
    def go(self) -> str:
        return json.dumps({{name: tried(source) for name, source in ROWS.items()}})
"""
GREEDY = (
    HELP
    + """
import sqlite3, sys, time
class Sum:
    def __init__(self, n): self.n = n
    def __add__(self, other): return self.n and Sum(self.n - 1) + 1
class Sorted:
    def __init__(self, n): self.n = n
    def __lt__(self, other): return self.n > 0 and [Sorted(self.n - 1), Sorted(self.n - 1)].sort()
class Finder:
    @staticmethod
    def find_spec(name, path, target=None):
        number = int(name[1:])
        if number: __import__(f"m{number - 1}")
database = sqlite3.connect(":memory:")
def query(n): return n and database.execute("select f(?)", (n - 1,)).fetchone()[0]
database.create_function("f", 1, query)
sys.setrecursionlimit(9000)
sys.meta_path.insert(0, Finder)
for f in (query, lambda n: Sum(n) + 1, lambda n: Sorted(n) < 1, lambda n: __import__(f"m{n}")):
    try: f(2000)
    except (RecursionError, sqlite3.OperationalError): print("objected", flush=True)
time.monotonic()
"""
)


@pytest.fixture
def programs(precompiled: Path) -> Programs:
    return Programs.stored(deterministic_engine(), precompiled)


def test_each_line_of_the_table_is_so(run: Run, subtests: pytest.Subtests) -> None:
    report = run(HEADER + TABLE, call("go"))
    found = json.loads(report.value)
    for name, (_, expected) in ROWS.items():
        with subtests.test(name):
            assert found[name] == expected


def test_modules_that_are_missing_are_missing(run: Run) -> None:
    rows = {name: f"import {name}" for name in (*MISSING, *THERE)}
    code = HEADER + TABLE.replace(repr(ROWS), repr({name: (row, None) for name, row in rows.items()}))
    found = json.loads(run(code, call("go")).value)
    assert [name for name in MISSING if found[name] != "ModuleNotFoundError"] == []
    assert [name for name in THERE if found[name] is not None] == []


def test_the_greediest_recursions_are_stopped_well_within_the_stack(programs: Programs) -> None:
    """Below it lies what the interpreter works with."""

    class Measured(Guest):
        used = 0

        def _now(self) -> int:
            if out.peek():
                stack = self._memory.read(top - STACK_BYTES, STACK_BYTES)
                self.used = len(stack.lstrip(b"\0"))
            return super()._now()

    top = initial_pages(read_interpreter()) * PAGE
    out, err = OutputTail(), OutputTail()
    for tail in (out, err):
        tail.restart(PAGE)
    program = programs.python(
        Launch(arguments=["py", "-B", "/greedy.py"], files={"/greedy.py": GREEDY.encode()})
    )
    guest = Measured(programs.engine, program, GuestSurroundings(lambda: b"", out, err))
    assert guest.run(512 << 20) == RETURN_NULL, err.peek()
    assert out.peek() == b"objected\n" * 4
    assert STACK_BYTES // 4 < guest.used < STACK_BYTES * 3 // 4
