# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from genlayer import gl
from genlayer import *

import base64
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote


@allow_storage
@dataclass
class Line:
    author: Address
    text: str
    mood: i16
    likes: u64


class ChatLog(gl.Contract):
    topic: str
    lines: DynArray[Line]
    nicks: TreeMap[Address, str]
    blocked: DynArray[str]
    attachment: bytes
    total_mood: i64
    spare: TreeMap[str, u256]

    def __init__(self, topic: str = "général ☕"):
        self.topic = topic
        self.spare = TreeMap()

    @gl.public.write
    def say(self, text: str, mood: int = 0, *, nick: str | None = None) -> int:
        author = gl.message.sender_address
        if nick is not None:
            self.nicks[author] = nick
        for word in self.blocked:
            text = re.sub(re.escape(word), "*" * len(word), text, flags=re.IGNORECASE)
        print(f"{self.nicks.get(author, 'anonymous')} says {len(text)} characters")
        self.lines.append(Line(author, text, i16(mood), u64(0)))
        self.total_mood += mood
        return len(self.lines)

    @gl.public.write
    def like(self, index: int) -> int:
        self.lines[index].likes += 1
        return self.lines[index].likes

    @gl.public.write
    def unsay(self) -> None:
        if len(self.lines) == 0:
            raise gl.vm.UserError("nothing to take back")
        last = self.lines[-1]
        if last.author != gl.message.sender_address:
            raise gl.vm.UserError("the last line is not yours")
        self.total_mood -= last.mood
        self.lines.pop()

    @gl.public.write
    def block(self, words: list[str]) -> None:
        self.blocked.extend(words)

    @gl.public.write
    def attach(self, encoded: str) -> int:
        self.attachment = base64.b64decode(encoded)
        return len(self.attachment)

    @gl.public.write
    def rename(self, topic: str) -> None:
        self.topic = topic
        # A u64 cannot be negative: the storage refuses, and the new topic goes with it.
        self.lines[0].likes = u64(-1)

    @gl.public.view
    def page(self, start: int = 0, count: int = 10) -> list[dict[str, Any]]:
        shown = []
        for index in range(start, min(start + count, len(self.lines))):
            line = self.lines[index]
            shown.append(
                {"by": self._nick(line.author), "text": line.text, "mood": line.mood, "likes": line.likes}
            )
        return shown

    @gl.public.view
    def summary(self) -> dict[str, Any]:
        authors = Counter(self._nick(line.author) for line in self.lines)
        return {
            "topic": self.topic,
            "slug": quote(self.topic),
            "mood": self.total_mood,
            "authors": dict(authors),
            "attachment": self.attachment,
            "spare": len(self.spare),
        }

    def _nick(self, author: Address) -> str:
        return self.nicks.get(author, author.as_hex[:6])
