"""The root slot: where the contract, its code and its locks hang (contract-sdk.md, 12.3, v0.2 offsets)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from genlayer.py.types import UNSIGNED, Address

from .build import contract_layout, layout_of
from .inline import VLA, Indirection
from .pages import HOST
from .slots import ROOT_SLOT_ID, Slot

if TYPE_CHECKING:
    from genlayer.py.types import u8, u256  # type: ignore[attr-defined]

C = TypeVar("C")

_CONTRACT, _CODE, _LOCKED_SLOTS, _UPGRADERS = range(4)
_generic: Any = VLA
_LOCKED_TYPE: Any = Indirection[_generic[UNSIGNED["u256"]]]
_CODE_TYPE: Any = Indirection[_generic[UNSIGNED["u8"]]]


class Root:
    """View of the root slot."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    @staticmethod
    def get() -> Root:
        """The running contract's root."""
        return Root(HOST.slot(ROOT_SLOT_ID))

    def slot(self) -> Slot:
        """The root slot itself."""
        return self._slot

    def _field(self, annotation: Any, off: int) -> Any:
        return layout_of(annotation).get(self._slot, off)

    @property
    def contract_instance(self) -> Indirection[None]:
        """Where the contract's record lies; its type is the contract's business."""
        return self._field(Indirection[None], _CONTRACT)  # type: ignore[no-any-return]

    @property
    def code(self) -> Indirection[VLA[u8]]:
        """The contract's code."""
        return self._field(_CODE_TYPE, _CODE)  # type: ignore[no-any-return]

    @property
    def locked_slots(self) -> Indirection[VLA[u256]]:
        """Ids (`Slot.as_int()`) of the slots that only upgraders may write."""
        return self._field(_LOCKED_TYPE, _LOCKED_SLOTS)  # type: ignore[no-any-return]

    @property
    def upgraders(self) -> Indirection[VLA[Address]]:
        """Senders that may write locked slots."""
        return self._field(Indirection[VLA[Address]], _UPGRADERS)  # type: ignore[no-any-return]

    def get_contract_instance(self, cls: type[C]) -> C:
        """The contract as a view of type `cls`."""
        return contract_layout(cls).get(self.contract_instance.slot(), 0)  # type: ignore[no-any-return]

    def lock_default(self) -> None:
        """Append the root, the code, the list of locks and the list of upgraders to the locked slots."""
        locked = self.locked_slots.get()
        for slot in (self._slot, self.code.slot(), self.locked_slots.slot(), self.upgraders.slot()):
            locked.append(slot.as_int())
