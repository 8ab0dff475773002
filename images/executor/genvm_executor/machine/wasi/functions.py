"""The functions of `wasi_snapshot_preview1`, each over one guest's memory and descriptors.

Spec: contract-runtime 4.2. What writes, moves or links answers `rofs`; what waits or signals `notsup`;
sockets `acces`. No function looks at the machine: no clock, no randomness, no file of the host.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Callable, Mapping, Sequence

from genvm_executor.machine.guest_memory import GuestMemory, OutOfBounds
from genvm_executor.machine.wasi.descriptors import (
    DIRECTORY,
    REGULAR_FILE,
    UNKNOWN,
    DescriptorTable,
    OpenDirectory,
    OpenFile,
    OpenStream,
    Stream,
)
from genvm_executor.machine.wasi.errno import Errno, WasiRefused
from genvm_executor.machine.wasi.filesystem import Directory, File, resolve
from genvm_wire.records import mutable

MAX_VECTORS = 1024
MAX_TRANSFER = 256 * 1024 * 1024
MAX_RANDOM = 64 * 1024 * 1024
_WRITING_OPEN_FLAGS = 0x1 | 0x4 | 0x8  # creat, excl, trunc
_OPEN_DIRECTORY = 0x2
_READ_RIGHTS = (1 << 1) | (1 << 2) | (1 << 5) | (1 << 13) | (1 << 14) | (1 << 18) | (1 << 21)
_STREAM_RIGHTS = (1 << 1) | (1 << 6) | (1 << 21)


class GuestExit(Exception):
    """The guest called proc_exit."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit {code}")
        self.code = code


@mutable
class WasiEnvironment:
    """What one guest can see. `now_ns` and `random_bytes` are asked at each call.

    `devices` are streams that open by path (relative to `/`) and appear in no directory: the standard library
    inside the interpreter keeps its own table of descriptors and refuses a number that it did not open.
    """

    memory: GuestMemory
    descriptors: DescriptorTable
    arguments: Sequence[bytes]
    variables: Sequence[bytes]
    now_ns: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    devices: Mapping[bytes, Stream]


def wasi_functions(env: WasiEnvironment) -> dict[str, tuple[str, Callable[..., int]]]:
    """Name → (parameter types, function answering an error number); types as in `functions.SIGNATURES`."""
    own = _Functions(env)
    table: dict[str, tuple[str, Callable[..., int]]] = {}
    for name, parameters in SIGNATURES.items():
        function = getattr(own, name, None)
        table[name] = (parameters, _answering(function) if function else _refusing(_REFUSALS[name]))
    return table


def _answering(function: Callable[..., None]) -> Callable[..., int]:
    def answer(*arguments: int) -> int:
        try:
            function(*arguments)
        except WasiRefused as refused:
            return refused.errno
        except OutOfBounds:
            return Errno.FAULT
        return 0

    return answer


def _refusing(errno: Errno) -> Callable[..., int]:
    return lambda *_arguments: int(errno)


class _Listed:
    """Arguments or variables as a guest gets them: the interpreter asks before every file operation."""

    def __init__(self, items: Sequence[bytes]) -> None:
        self.texts = b"".join(item + b"\0" for item in items)
        self.count, self.size = (number.to_bytes(4, "little") for number in (len(items), len(self.texts)))
        ends = list(itertools.accumulate(len(item) + 1 for item in items))
        self._starts = [0, *ends][: len(items)]
        self._pointers = struct.Struct(f"<{len(items)}I")

    def pointers(self, base: int) -> bytes:
        """To each text, where the first lies at `base`."""
        return self._pointers.pack(*[(base + start) & 0xFFFFFFFF for start in self._starts])


class _Functions:
    """One method per function that does something; parameters are the raw WASM ones (i32 may be negative)."""

    def __init__(self, env: WasiEnvironment) -> None:
        self._env = env
        self._memory = env.memory
        self._fds = env.descriptors
        self._arguments = _Listed(env.arguments)
        self._variables = _Listed(env.variables)

    def args_sizes_get(self, count: int, size: int) -> None:
        self._list_sizes(self._arguments, count, size)

    def args_get(self, pointers: int, buffer: int) -> None:
        self._list_get(self._arguments, pointers, buffer)

    def environ_sizes_get(self, count: int, size: int) -> None:
        self._list_sizes(self._variables, count, size)

    def environ_get(self, pointers: int, buffer: int) -> None:
        self._list_get(self._variables, pointers, buffer)

    def _list_sizes(self, items: _Listed, count: int, size: int) -> None:
        self._memory.write(count, items.count)
        self._memory.write(size, items.size)

    def _list_get(self, items: _Listed, pointers: int, buffer: int) -> None:
        self._memory.write(pointers, items.pointers(buffer & 0xFFFFFFFF))
        self._memory.write(buffer, items.texts)

    def clock_res_get(self, _clock: int, result: int) -> None:
        self._memory.write_u64(result, 1)

    def clock_time_get(self, _clock: int, _precision: int, result: int) -> None:
        self._memory.write_u64(result, self._env.now_ns())

    def random_get(self, buffer: int, length: int) -> None:
        length &= 0xFFFFFFFF
        if length > MAX_RANDOM:
            raise WasiRefused(Errno.INVAL)
        self._memory.write(buffer, self._env.random_bytes(length))

    def proc_exit(self, code: int) -> None:
        raise GuestExit(code)

    def fd_advise(self, fd: int, _offset: int, _length: int, _advice: int) -> None:
        self._fds.get(fd)

    def fd_sync(self, fd: int) -> None:
        self._fds.get(fd)

    fd_datasync = fd_sync

    def fd_close(self, fd: int) -> None:
        self._fds.close(fd)

    def fd_fdstat_get(self, fd: int, result: int) -> None:
        descriptor = self._fds.get(fd)
        rights = _STREAM_RIGHTS if isinstance(descriptor, OpenStream) else _READ_RIGHTS
        self._memory.write(result, struct.pack("<BxHxxxxQQ", descriptor.filetype, 0, rights, rights))

    def fd_filestat_get(self, fd: int, result: int) -> None:
        descriptor = self._fds.get(fd)
        size = descriptor.known_size if isinstance(descriptor, OpenFile) else 0
        self._memory.write(result, _filestat(descriptor.filetype, size))

    def fd_prestat_get(self, fd: int, result: int) -> None:
        self._memory.write(result, struct.pack("<BxxxI", 0, len(self._preopen(fd))))

    def fd_prestat_dir_name(self, fd: int, buffer: int, length: int) -> None:
        name = self._preopen(fd)
        if length & 0xFFFFFFFF < len(name):
            raise WasiRefused(Errno.NAMETOOLONG)
        self._memory.write(buffer, name)

    def _preopen(self, fd: int) -> bytes:
        descriptor = self._fds.get(fd)
        if not isinstance(descriptor, OpenDirectory) or descriptor.preopened is None:
            raise WasiRefused(Errno.BADF)
        return descriptor.preopened

    def fd_read(self, fd: int, vectors: int, count: int, result: int) -> None:
        descriptor = self._fds.get(fd)
        if isinstance(descriptor, OpenDirectory):
            raise WasiRefused(Errno.ISDIR)
        read = descriptor.read if isinstance(descriptor, OpenFile) else descriptor.stream.read
        self._memory.write_u32(result, self._fill(self._vectors(vectors, count), read))

    def fd_pread(self, fd: int, vectors: int, count: int, offset: int, result: int) -> None:
        file = self._file(fd)
        position = min(offset & 0xFFFFFFFFFFFFFFFF, len(file.data))

        def read(limit: int) -> bytes:
            nonlocal position
            chunk = file.data[position : position + limit]
            position += len(chunk)
            return chunk

        self._memory.write_u32(result, self._fill(self._vectors(vectors, count), read))

    def _file(self, fd: int) -> OpenFile:
        descriptor = self._fds.get(fd)
        if isinstance(descriptor, OpenFile):
            return descriptor
        raise WasiRefused(Errno.SPIPE if isinstance(descriptor, OpenStream) else Errno.ISDIR)

    def _vectors(self, pointer: int, count: int) -> list[tuple[int, int]]:
        count &= 0xFFFFFFFF
        if count > MAX_VECTORS:
            raise WasiRefused(Errno.INVAL)
        raw = self._memory.read(pointer, 8 * count)
        vectors = list(struct.iter_unpack("<II", raw))
        if sum(length for _, length in vectors) > MAX_TRANSFER:
            raise WasiRefused(Errno.INVAL)
        return vectors

    def _fill(self, vectors: list[tuple[int, int]], read: Callable[[int], bytes]) -> int:
        total = 0
        for pointer, length in vectors:
            chunk = read(length)
            self._memory.write(pointer, chunk)
            total += len(chunk)
            if len(chunk) < length:
                break
        return total

    def fd_write(self, fd: int, vectors: int, count: int, result: int) -> None:
        descriptor = self._fds.get(fd)
        if not isinstance(descriptor, OpenStream):
            raise WasiRefused(Errno.ROFS)
        data = b"".join(
            self._memory.read(pointer, length) for pointer, length in self._vectors(vectors, count)
        )
        descriptor.stream.write(data)
        self._memory.write_u32(result, len(data))

    def fd_seek(self, fd: int, offset: int, whence: int, result: int) -> None:
        file = self._file(fd)
        if whence == 2:
            raise WasiRefused(Errno.NOTSUP)
        if whence not in {0, 1}:
            raise WasiRefused(Errno.INVAL)
        target = offset + (file.position if whence == 1 else 0)
        self._memory.write_u64(result, file.seek(target))

    def fd_tell(self, fd: int, result: int) -> None:
        self._memory.write_u64(result, self._file(fd).position)

    def fd_readdir(self, fd: int, buffer: int, length: int, cookie: int, result: int) -> None:
        descriptor = self._fds.get(fd)
        if not isinstance(descriptor, OpenDirectory):
            raise WasiRefused(Errno.NOTDIR)
        length &= 0xFFFFFFFF
        output = bytearray()
        entries = _listing(descriptor.directory)
        for index in range(min(cookie & 0xFFFFFFFFFFFFFFFF, len(entries)), len(entries)):
            if len(output) >= length:
                break
            name, filetype = entries[index]
            output += struct.pack("<QQIBxxx", index + 1, 0, len(name), filetype) + name
        del output[length:]
        self._memory.write(buffer, output)
        self._memory.write_u32(result, len(output))

    def _path(self, fd: int, pointer: int, length: int) -> Directory | File:
        descriptor = self._fds.get(fd)
        if not isinstance(descriptor, OpenDirectory):
            raise WasiRefused(Errno.NOTDIR)
        return resolve(descriptor.directory, self._memory.read(pointer, length & 0xFFFFFFFF))

    def path_filestat_get(self, fd: int, _flags: int, pointer: int, length: int, result: int) -> None:
        node = self._path(fd, pointer, length)
        if isinstance(node, Directory):
            self._memory.write(result, _filestat(DIRECTORY, 0))
        else:
            self._memory.write(result, _filestat(REGULAR_FILE, len(node.data)))

    def path_open(
        self,
        fd: int,
        _lookup: int,
        pointer: int,
        length: int,
        open_flags: int,
        _rights: int,
        _inheriting: int,
        _fd_flags: int,
        result: int,
    ) -> None:
        if open_flags & _WRITING_OPEN_FLAGS:
            raise WasiRefused(Errno.ROFS)
        self._memory.read(result, 4)
        device = self._env.devices.get(self._memory.read(pointer, length & 0xFFFFFFFF))
        if device is not None:
            self._memory.write_u32(result, self._fds.add(OpenStream(device)))
            return
        node = self._path(fd, pointer, length)
        if isinstance(node, Directory):
            opened: OpenFile | OpenDirectory = OpenDirectory(node)
        elif open_flags & _OPEN_DIRECTORY:
            raise WasiRefused(Errno.NOTDIR)
        else:
            data = node.data
            opened = OpenFile(lambda: bytes(data))
        self._memory.write_u32(result, self._fds.add(opened))


def _listing(directory: Directory) -> list[tuple[bytes, int]]:
    entries = [(b".", DIRECTORY), (b"..", DIRECTORY)]
    for name in directory.names():
        filetype = DIRECTORY if isinstance(directory.entries[name], Directory) else REGULAR_FILE
        entries.append((os.fsencode(name), filetype))
    return entries


def _filestat(filetype: int, size: int) -> bytes:
    """Device, inode and times are 0, so nothing but kind and size can be learnt."""
    return struct.pack("<QQBxxxxxxxQQQQQ", 0, 0, filetype if filetype else UNKNOWN, 1, size, 0, 0, 0)


SIGNATURES = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "clock_res_get": "ii",
    "clock_time_get": "iIi",
    "fd_advise": "iIIi",
    "fd_allocate": "iII",
    "fd_close": "i",
    "fd_datasync": "i",
    "fd_fdstat_get": "ii",
    "fd_fdstat_set_flags": "ii",
    "fd_fdstat_set_rights": "iII",
    "fd_filestat_get": "ii",
    "fd_filestat_set_size": "iI",
    "fd_filestat_set_times": "iIIi",
    "fd_pread": "iiiIi",
    "fd_prestat_get": "ii",
    "fd_prestat_dir_name": "iii",
    "fd_pwrite": "iiiIi",
    "fd_read": "iiii",
    "fd_readdir": "iiiIi",
    "fd_renumber": "ii",
    "fd_seek": "iIii",
    "fd_sync": "i",
    "fd_tell": "ii",
    "fd_write": "iiii",
    "path_create_directory": "iii",
    "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiiIIi",
    "path_link": "iiiiiii",
    "path_open": "iiiiiIIii",
    "path_readlink": "iiiiii",
    "path_remove_directory": "iii",
    "path_rename": "iiiiii",
    "path_symlink": "iiiii",
    "path_unlink_file": "iii",
    "poll_oneoff": "iiii",
    "proc_exit": "i",
    "proc_raise": "i",
    "sched_yield": "",
    "random_get": "ii",
    "sock_accept": "iii",
    "sock_recv": "iiiiii",
    "sock_send": "iiiii",
    "sock_shutdown": "ii",
}
"""Parameter types: `i` is i32, `I` is i64. All answer an i32 except `proc_exit`, which answers nothing."""

_REFUSALS = {
    **dict.fromkeys(
        (
            "fd_allocate",
            "fd_fdstat_set_flags",
            "fd_fdstat_set_rights",
            "fd_filestat_set_size",
            "fd_filestat_set_times",
            "path_create_directory",
            "path_filestat_set_times",
            "path_link",
            "path_remove_directory",
            "path_rename",
            "path_symlink",
            "path_unlink_file",
        ),
        Errno.ROFS,
    ),
    "path_readlink": Errno.BADF,
    **dict.fromkeys(("poll_oneoff", "proc_raise", "sched_yield", "fd_pwrite", "fd_renumber"), Errno.NOTSUP),
    **dict.fromkeys(("sock_accept", "sock_recv", "sock_send", "sock_shutdown"), Errno.ACCES),
}
