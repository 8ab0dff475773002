from dataclasses import dataclass

from genlayer import *

LONGEST = 40


@allow_storage
@dataclass
class Entry:
    text: str
    times: u32


def cleaned(text: str) -> str:
    if not text.strip():
        raise gl.vm.UserError("write something")
    return " ".join(text.split())[:LONGEST]
