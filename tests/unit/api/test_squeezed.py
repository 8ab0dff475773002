"""Who gets a large body as gzip, and when it is made."""

from __future__ import annotations

import gzip

import pytest

from orchestrator.api.squeezed import LARGE, Squeezed, takes_gzip
from orchestrator.tasks import TaskOwner

BODY = b'{"some":"thing"}' * LARGE
VARIES = {"Vary": "Accept-Encoding"}


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


async def test_what_is_asked_for_again_is_squeezed_once() -> None:
    owner = TaskOwner("test")
    squeezed = Squeezed(owner.spawn)
    assert squeezed.answer(BODY, "gzip") == (BODY, VARIES)
    assert len(owner) == 0
    assert squeezed.answer(BODY, "gzip") == (BODY, VARIES)
    assert squeezed.answer(BODY, "gzip") == (BODY, VARIES)
    assert len(owner) == 1
    await owner.join()
    made, headers = squeezed.answer(BODY, "gzip")
    assert gzip.decompress(made) == BODY
    assert headers == VARIES | {"Content-Encoding": "gzip"}
    assert squeezed.answer(BODY, "gzip")[0] is made
    assert squeezed.answer(BODY, "identity") == (BODY, VARIES)


async def test_a_body_that_has_changed_meanwhile_is_not_answered_with_the_old_one() -> None:
    owner = TaskOwner("test")
    squeezed, later = Squeezed(owner.spawn), BODY + b" "
    for _ in range(2):
        squeezed.answer(BODY, "gzip")
    assert squeezed.answer(later, "gzip") == (later, VARIES)
    await owner.join()
    assert squeezed.answer(later, "gzip") == (later, VARIES)
    await owner.join()
    assert gzip.decompress(squeezed.answer(later, "gzip")[0]) == later


async def test_a_small_body_is_sent_as_it_is() -> None:
    squeezed = Squeezed(TaskOwner("test").spawn)
    for _ in range(3):
        assert squeezed.answer(b"{}", "gzip") == (b"{}", {})
