"""Language models and the web, inside nondeterministic blocks (contract-sdk-v03 11)."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from genlayer_core import requests as _requests
from genlayer_core.deferred import LazyCapable as _LazyCapable
from genlayer_core.pictures import Image
from genlayer_core.types import Lazy

from . import replies as _replies
from . import web
from .replies import NondetException
from .replies import ok_of as _decode_nondet  # noqa: F401 - contracts import it

T = TypeVar("T")


def _ask_template(template: str, what: str, kind: type[T], **fields: Any) -> T:
    """The answer of one of the prompt templates of the equivalence principles. Raises NondetException."""
    answer = _replies.ok_of(_requests.ask("ExecPromptTemplate", {"template": template, **fields}))
    if not isinstance(answer, kind):
        raise _replies.invalid(f"{what} result is not a {'string' if kind is str else kind.__name__}")
    return answer


def _raw(image: Any) -> bytes:
    if isinstance(image, Image):
        return image.raw
    if not isinstance(image, bytes):
        raise TypeError(f"expected bytes or Image, got {type(image).__name__}")
    return image


@_LazyCapable
def exec_prompt(
    prompt: str,
    /,
    *,
    response_format: Literal["text", "json"] = "text",
    images: list[bytes | Image] | None = None,
    **_ignored: Any,
) -> Lazy[Any]:
    """Ask a language model: text, or for "json" the parsed value. At most two images.

    Raises NondetException when the module reports an error, ValueError for an empty prompt, SystemError
    outside a nondeterministic block.
    """
    if not prompt:
        raise ValueError("Prompt cannot be empty")
    raw_images = [_raw(image) for image in images or ()]
    request = {"prompt": prompt, "response_format": response_format, "images": raw_images}
    reply = _requests.ask("ExecPrompt", request)
    return Lazy(lambda: (_replies.json_of if response_format == "json" else _replies.text_of)(reply))


# Storage names them by these paths in what it pickled; contracts are not shown them.
globals().pop("replies")

__all__ = ("Image", "NondetException", "exec_prompt", "web")
