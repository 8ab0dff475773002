"""What the earliest releases are given, which dial their node themselves (host-protocol 4.1, 6)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping

from genvm_release.arguments import switched, sync
from genvm_release.unsuitable import Unsuitable
from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.instance_messages import INLET_SOCKET, JobMessage

EARLY = ("T15a", "T15b")
NODE_ADDRESS = f"unix://{INLET_SOCKET}"
"""Relative to where the program is started: the control socket's directory."""
DEFAULT_PERMISSIONS = "rwscn"
MOST_VALUE = 2**64 - 1
LONGEST_WORD = 128 * 1024 - 1
"""Bytes of one argument that the kernel takes."""


def early_arguments(job: JobMessage, log: int) -> list[str]:
    """What comes after the program's name. Raises Unsuitable."""
    head = [f"--log-fd={log}", "run", *switched(job), *sync(job)]
    host = ["--host", NODE_ADDRESS]
    if job.host_table == "T15b":
        if job.storage_pages is None:
            raise Unsuitable("the job does not say how many pages of storage it may write (storage_pages)")
        pages = ["--storage-pages", str(job.storage_pages)]
        return [*head, *pages, *host, "--permissions", job.permissions, f"--genvm-id={job.run}"]
    # Those who start this line leave them out; less than what it has without a word has to be said.
    less = [] if set(job.permissions) == set(DEFAULT_PERMISSIONS) else ["--permissions", job.permissions]
    said = ["--host-data", _host_data(job), *host, "--message", _message_text(job)]
    return [*head, *said, *less, f"--cookie={job.run}"]


def early_input(job: JobMessage) -> bytes:
    """The whole input. Raises Unsuitable."""
    if job.host_table != "T15b":
        return b""  # its calldata comes from its node
    if job.calldata is None:
        raise Unsuitable("the job has no calldata")
    data: dict[str, Encodable] = {
        # So the serialiser of these releases writes bytes.
        "calldata": list(job.calldata),
        "code": None if job.code is None else list(job.code),
        "host_data": job.host_data,
        "message": _message(job.message),
    }
    return encode(data)


def _host_data(job: JobMessage) -> str:
    """A client's text: as the program reads its command line, it could be another option of it."""
    text = job.host_data
    if not text.lstrip().startswith("{") or "\0" in text:
        raise Unsuitable(f"host_data is no JSON object: {text[:40]!r}")
    return _word("host_data", text)


def _message_text(job: JobMessage) -> str:
    message = {
        key: b64encode(value.raw).decode("ascii") if isinstance(value, Address) else value
        for key, value in _message(job.message).items()
    }
    return _word("message", json.dumps(message, separators=(",", ":")))


def _word(name: str, text: str) -> str:
    if (size := len(text.encode())) > LONGEST_WORD:
        raise Unsuitable(f"{name} of {size} bytes is over {LONGEST_WORD}, as much as a command line takes")
    return text


def _message(said: Mapping[str, Value]) -> dict[str, Encodable]:
    """As these releases read it: the chain's number is a text, no value is null, and 64 bits are the most."""
    value = said["value"]
    if not isinstance(value, int) or value > MOST_VALUE:
        raise Unsuitable(
            f"a message's value of {value!r} is over {MOST_VALUE}, the most that this release takes"
        )
    names = ("contract_address", "datetime", "is_init", "origin_address", "sender_address")
    message: dict[str, Encodable] = {name: said[name] for name in names}
    return message | {"chain_id": str(said["chain_id"]), "value": value or None}
