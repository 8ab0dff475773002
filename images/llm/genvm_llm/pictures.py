"""Images that travel with a prompt (modules 1.10, 2.4)."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from genvm_module.errors import ModuleError

T = TypeVar("T")

MAX_IMAGES = 2
MAX_IMAGE_BYTES = 5 * 1024 * 1024
_WORKER = ThreadPoolExecutor(1, thread_name_prefix="pictures")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"  # whatever follows: EXIF and other kinds are as good as JFIF


def media_type(image: bytes) -> str:
    """Raises ModuleError INVALID_IMAGE for anything but PNG and JPEG."""
    if image.startswith(_PNG):
        return "image/png"
    if image.startswith(_JPEG):
        return "image/jpeg"
    raise ModuleError("INVALID_IMAGE", fatal=False)


def check(images: Sequence[bytes]) -> None:
    """Raises ModuleError for too many, too large or unknown images; nothing is decoded here."""
    if len(images) > MAX_IMAGES:
        raise ModuleError("TOO_MANY_IMAGES", fatal=False)
    for image in images:
        if len(image) > MAX_IMAGE_BYTES:
            raise ModuleError("IMAGE_TOO_LARGE", fatal=False)
        media_type(image)


def encoded(image: bytes) -> str:
    return base64.b64encode(image).decode("ascii")


async def beside(images: Sequence[bytes], work: Callable[[], T]) -> T:
    """What `work` makes of a prompt with these images: where there are some, one such work at a time, in a
    thread. Two of them are 13 MiB as text, and many sessions would make theirs in the same turn of the loop.
    """
    if not images:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_WORKER, work)
