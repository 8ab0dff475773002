"""Annotations of contracts of the second generation (contract-sdk-v03 14 and 15)."""

from __future__ import annotations

import json

from .chain import Zygote
from .later_chain import LATER, LaterChain

LINKED = (
    LATER
    + """
from __future__ import annotations
import typing
from dataclasses import dataclass
import genlayer as gl
from genlayer.types import *


@gl.storage.allow
class Box[T]:
    held: gl.storage.DynArray['Item']
    more: gl.storage.TreeMap['Address', 'T']


@gl.storage.allow
class Item:
    size: u32


@dataclass
class Told:
    first: typing.Optional["Part"]
    rest: typing.List["Part"]


@dataclass
class Part:
    name: str


class Linked(gl.contract.Contract):
    box: Box["u8"]

    def __init__(self):
        self.box.held.append_new_get().size = 3
        self.box.more[gl.message.sender_address] = 4

    @gl.public.view
    def sizes(self, wanted: typing.Optional["int"] = None) -> list["u32"]:
        return [*(item.size for item in self.box.held), *self.box.more.values()]

    @gl.public.view
    def answer(self) -> Told: ...
"""
)


def test_names_that_stand_as_text_are_found_within_generic_types(zygote: Zygote) -> None:
    later = LaterChain(zygote)
    later.deploy(LINKED)
    assert later.call("sizes") == [3, 4]
    methods = json.loads(later.call("#get-schema"))["methods"]
    assert methods["sizes"]["params"] == [["wanted", {"$or": ["int", "null"]}]]
    assert methods["sizes"]["ret"] == [{"$rep": "int"}]
    part = {"name": "string"}
    assert methods["answer"]["ret"] == {"first": {"$or": [part, "null"]}, "rest": [{"$rep": part}]}
