"""Language models and the web, inside nondeterministic blocks (contract-sdk 10)."""

from __future__ import annotations

from typing import Any, Literal

from genlayer_core import requests as _requests
from genlayer_core.deferred import LazyCapable as _LazyCapable
from genlayer_core.types import Lazy

from genlayer.inner.reply import Image, NondetException
from genlayer.inner.reply import module_value as _decode_nondet

from . import web

__all__ = ("Image", "NondetException", "exec_prompt", "web")


def _ask_template(template: str, **fields: Any) -> Any:
    """The answer of one of the prompt templates of the equivalence principles."""
    return _decode_nondet(_requests.ask("ExecPromptTemplate", {"template": template, **fields}))


@_LazyCapable
def exec_prompt(
    prompt: str,
    *,
    response_format: Literal["text", "json"] = "text",
    images: list[bytes | Image] | None = None,
    **_ignored: Any,
) -> Lazy[Any]:
    """Ask a language model: text, or for "json" the decoded value. At most two images.

    Raises NondetException when the module reports an error, SystemError outside a nondeterministic block.
    """
    raw_images = [image.raw if isinstance(image, Image) else image for image in images or ()]
    request = {"prompt": prompt, "response_format": response_format, "images": raw_images}
    reply = _requests.ask("ExecPrompt", request)
    return Lazy(lambda: _decode_nondet(reply))
