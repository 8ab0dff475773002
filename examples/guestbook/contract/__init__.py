"""A contract of several files: `runner.json` names what runs it, the folder `contract` is its package."""

from genlayer import *

from .entry import Entry, cleaned


class Guestbook(gl.Contract):
    """Keeps what guests write, one entry each."""

    entries: TreeMap[Address, Entry]

    def __init__(self):
        pass

    @gl.public.write
    def sign(self, text: str) -> None:
        entry = self.entries.get_or_insert_default(gl.message.sender_address)
        entry.text = cleaned(text)
        entry.times += 1

    @gl.public.view
    def read(self, guest: Address) -> dict[str, int | str] | None:
        entry = self.entries.get(guest)
        return None if entry is None else {"text": entry.text, "times": entry.times}
