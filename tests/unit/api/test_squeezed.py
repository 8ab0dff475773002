"""Who gets a large body as gzip, and how it is put together."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from orchestrator.api.squeezed import Part, gzip_of, takes_gzip


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP ;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q = 0.000", False),
        ("gzip;q=0.001", True),
        ("deflate", False),
        ("identity", False),
        ("x-gzip", True),
        ("*", False),
        (",;,gzip;;", True),
    ],
)
def test_who_takes_gzip(accepted: str, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


@pytest.mark.parametrize("sizes", [[], [0], [0, 1, 0], [70_000, 1, 300_000], [5] * 300], ids=str)
def test_parts_make_one_gzip_of_the_whole_text(sizes: list[int]) -> None:
    texts = [random.Random(size).randbytes(size // 8).hex().encode() * 4 for size in sizes]
    made = gzip_of([Part(text) for text in texts])
    assert gzip.decompress(made) == b"".join(texts)
    # One stream with one end: many clients take nothing that comes after it.
    whole = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert whole.decompress(made) == b"".join(texts)
    assert whole.eof and not whole.unused_data


def test_a_part_is_squeezed_once() -> None:
    parts = [Part(b"a" * 1000), Part(b"b" * 1000)]
    gzip_of(parts)
    before = [part.squeezed() for part in parts]
    gzip_of([*parts, Part(b"c")])
    assert all(part.squeezed() is was for part, was in zip(parts, before, strict=True))
