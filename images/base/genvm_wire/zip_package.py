"""Contract archives: ZIP with *stored* members only (contract-runtime 2.1)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Final

_LOCAL_HEADER: Final = struct.Struct("<4sHHHHHIIIHH")
_DIRECTORY_ENTRY: Final = b"PK\x01\x02"
_ENCRYPTED: Final = 0x1
MOST_MEMBERS: Final = 10_000
"""What the archive's directory is read to: a thousand bytes of memory for each."""


class ZipError(ValueError):
    """The archive breaks a rule; the text says which."""


def is_zip(code: bytes) -> bool:
    """Whether `code` opens as a ZIP archive, or has too many members to be opened."""
    return _is_crowded(code) or _open(code) is not None


def read(code: bytes, *, strict: bool, only: str | None = None) -> dict[str, bytes]:
    """The members by name, the last of equal names winning. Raises ZipError.

    `strict` adds the name and header rules of v0.3. `only` reads a single name. Members that overlap
    are refused: a small archive could otherwise stand for any amount of content.
    """
    archive = None if (crowded := _is_crowded(code)) else _open(code)
    if crowded:
        raise ZipError(f"more than {MOST_MEMBERS} members")
    if archive is None:
        raise ZipError("not a ZIP archive")
    files: dict[str, bytes] = {}
    room = len(code)
    with archive:
        for info in archive.infolist():
            if info.orig_filename.endswith("/") or only not in {None, info.orig_filename}:
                continue
            _check(info, strict)
            room -= info.file_size
            if room < 0:
                raise ZipError("members overlap")
            files[info.orig_filename] = _content(code, info, strict)
    return files


def _is_crowded(code: bytes) -> bool:
    return code.count(_DIRECTORY_ENTRY) > MOST_MEMBERS


def _open(code: bytes) -> zipfile.ZipFile | None:
    try:
        return zipfile.ZipFile(io.BytesIO(code))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, struct.error, EOFError):
        return None


def _check(info: zipfile.ZipInfo, strict: bool) -> None:
    name = info.orig_filename
    if info.compress_type != zipfile.ZIP_STORED:
        raise ZipError(f"{name!r:.80} is compressed; members must be stored")
    if info.flag_bits & _ENCRYPTED:
        raise ZipError(f"{name!r:.80} is encrypted")
    if info.file_size != info.compress_size:
        raise ZipError(f"{name!r:.80} has two sizes")
    if strict and ("\\" in name or "\0" in name or not {"", ".", ".."}.isdisjoint(name.split("/"))):
        raise ZipError(f"{name!r:.80} is no plain relative path")


def _content(code: bytes, info: zipfile.ZipInfo, strict: bool) -> bytes:
    try:
        header = _LOCAL_HEADER.unpack_from(code, info.header_offset)
    except struct.error:
        raise ZipError("a member lies outside the archive") from None
    magic, _, flags, method, _, _, crc, packed, size, name_length, extra_length = header
    if magic != b"PK\x03\x04":
        raise ZipError("a member has no local header")
    name_at = info.header_offset + _LOCAL_HEADER.size
    start = name_at + name_length + extra_length
    content = code[start : start + info.file_size]
    if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        raise ZipError(f"{info.orig_filename!r:.80} is damaged")
    if strict:
        agrees = (method, crc, packed, size) == (0, info.CRC, info.compress_size, info.file_size)
        encoding = "utf-8" if flags & 0x800 else "cp437"
        name = code[name_at : name_at + name_length].decode(encoding, "replace")
        if not agrees or flags != info.flag_bits or name != info.orig_filename:
            raise ZipError(f"{info.orig_filename!r:.80}: local header and directory disagree")
    return content
