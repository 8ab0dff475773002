"""Replies of the modules: `{"ok": …}` or `{"error": …}` (contract-sdk.md, 3.2 and 10)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from genlayer.py import calldata


class NondetException(Exception):
    """A module reported an error, typically `{"causes": […], "ctx": {…}}`."""


@dataclass
class Image:
    """A picture: `raw` is its file's bytes."""

    raw: bytes

    @property
    def pil(self) -> Any:
        """The picture as a PIL image. ImportError where the interpreter has no PIL."""
        try:
            from PIL import Image as pil_image  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
        except ImportError as error:
            raise ImportError(
                "Image.pil needs the package PIL (Pillow), which this executor image does not have; "
                "the picture's bytes are in Image.raw"
            ) from error
        return pil_image.open(io.BytesIO(self.raw))


def module_value(reply: bytes) -> Any:
    """The value of a module's reply. Raises NondetException for an error."""
    answer = calldata.decode(reply)
    if error := answer.get("error"):
        raise NondetException(error)
    return answer["ok"]
