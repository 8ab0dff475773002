"""The token that a command sends: from `GENVM_TOKEN`, or from the file that `GENVM_TOKEN_FILE` names.

Never from the command line, where every user of the machine could read it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GENVM_TOKEN"
FILE_VARIABLE = "GENVM_TOKEN_FILE"
HOW_TO_SEND = (
    f"set {VARIABLE} to a token of that manager, or {FILE_VARIABLE} to the name of a file that has one"
)
"""For a person whom a manager has answered 401, in words for programs."""


class NoCredentials(Exception):
    """A token is named that cannot be had; the text says why."""


def authorization(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The header to send with each request; none without a token. Blocking. Raises NoCredentials."""
    token = _token(environment).strip()
    if not token:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise NoCredentials(
            f"{VARIABLE} or the file in {FILE_VARIABLE} is not a token: no token has such letters or spaces"
        )
    return {"Authorization": f"Bearer {token}"}


def _token(environment: Mapping[str, str]) -> str:
    if token := environment.get(VARIABLE, ""):
        return token
    file = environment.get(FILE_VARIABLE)
    if not file:
        return ""
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise NoCredentials(f"the token file {file} cannot be read: {reason}") from None
