"""Pictures that go to a model and come from the web module (contract-sdk 10)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")


@dataclass
class Image:
    """A picture: `raw` is its file's bytes."""

    raw: bytes

    @property
    def is_known(self) -> bool:
        """Whether the file begins as those of a usual format do."""
        webp = self.raw[:4] == b"RIFF" and self.raw[8:12] == b"WEBP"
        return webp or self.raw.startswith(_BEGINNINGS)

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
