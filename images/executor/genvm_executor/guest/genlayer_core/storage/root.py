"""The root slot: where the contract, its code and its locks hang (contract-sdk 12.3)."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from genlayer_core.types import Address, Integers

from .build import contract_layout, layout_of
from .inline import VLA, Indirection
from .pages import HOST
from .slots import ROOT_SLOT_ID, Manager, Slot

C = TypeVar("C")


class RootPlaces(NamedTuple):
    """Offsets of what every line has."""

    contract_instance: int
    code: int
    locked_slots: int
    upgraders: int


class Root:
    """View of the root slot. A line's own says where its fields lie and how it spells integers."""

    MANAGER: ClassVar[Manager] = HOST
    """where the running contract's slots come from"""
    places: ClassVar[RootPlaces]
    _contract_type: ClassVar[Any] = Indirection[None]
    _code_type: ClassVar[Any]
    _locked_type: ClassVar[Any]
    _upgraders_type: ClassVar[Any]

    def __init_subclass__(cls, *, integers: Integers, vla: Any = VLA, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        pointer: Any = Indirection
        cls._code_type = pointer[vla[integers.unsigned["u8"]]]
        cls._locked_type = pointer[vla[integers.unsigned["u256"]]]
        cls._upgraders_type = pointer[vla[Address]]

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    @classmethod
    def get(cls) -> Self:
        """The running contract's root."""
        return cls(cls.MANAGER.slot(ROOT_SLOT_ID))

    def slot(self) -> Slot:
        """The root slot itself."""
        return self._slot

    def _field(self, annotation: Any, off: int) -> Any:
        return layout_of(annotation).get(self._slot, off)

    def _store(self, annotation: Any, off: int, value: Any) -> None:
        layout_of(annotation).set(self._slot, off, value)

    @property
    def contract_instance(self) -> Indirection[None]:
        """Where the contract's record lies; its type is the contract's business."""
        return self._field(self._contract_type, self.places.contract_instance)  # type: ignore[no-any-return]

    @property
    def code(self) -> Indirection[VLA[int]]:
        """The contract's code."""
        return self._field(self._code_type, self.places.code)  # type: ignore[no-any-return]

    @property
    def locked_slots(self) -> Indirection[VLA[int]]:
        """Ids (`Slot.as_int()`) of the slots that only upgraders may write."""
        return self._field(self._locked_type, self.places.locked_slots)  # type: ignore[no-any-return]

    @property
    def upgraders(self) -> Indirection[VLA[Address]]:
        """Senders that may write locked slots."""
        return self._field(self._upgraders_type, self.places.upgraders)  # type: ignore[no-any-return]

    def get_contract_instance(self, cls: type[C]) -> C:
        """The contract as a view of type `cls`."""
        return contract_layout(cls).get(self.contract_instance.slot(), 0)  # type: ignore[no-any-return]

    def lock_default(self) -> None:
        """Append the root, the code, the list of locks and the list of upgraders to the locked slots."""
        locked = self.locked_slots.get()
        for slot in (self._slot, self.code.slot(), self.locked_slots.slot(), self.upgraders.slot()):
            locked.append(slot.as_int())
