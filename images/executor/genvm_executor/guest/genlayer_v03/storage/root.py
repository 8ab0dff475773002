"""The root slot of this line (contract-sdk-v03 14.1)."""

from __future__ import annotations

from typing import Any

from genlayer_core.storage import root as _root
from genlayer_core.storage.slots import Slot

from ..types import _INTEGERS, UNSIGNED
from ..vm.public_abi import Permissions, root_offsets
from .arrays import VLA

_U8, _U256 = UNSIGNED["u8"], UNSIGNED["u256"]


class Root(_root.Root, integers=_INTEGERS, vla=VLA):
    """View of the root slot."""

    places = _root.RootPlaces(
        contract_instance=root_offsets.contract_instance,
        code=root_offsets.code,
        locked_slots=root_offsets.locked_slots,
        upgraders=root_offsets.upgraders,
    )

    @property
    def major(self) -> int:
        """The major that the contract was deployed for."""
        return self._field(_U8, root_offsets.major)  # type: ignore[no-any-return]

    @major.setter
    def major(self, value: int) -> None:
        self._store(_U8, root_offsets.major, value)

    @property
    def code_slot(self) -> int:
        """The id of the slot with the code as a number (`Slot.as_int()`); 0: the slot of `code`."""
        return self._field(_U256, root_offsets.code_slot)  # type: ignore[no-any-return]

    @code_slot.setter
    def code_slot(self, value: int) -> None:
        self._store(_U256, root_offsets.code_slot, value)

    @property
    def permissions(self) -> int:
        """One bit per permission."""
        return self._field(_U256, root_offsets.permissions)  # type: ignore[no-any-return]

    @permissions.setter
    def permissions(self, value: int) -> None:
        self._store(_U256, root_offsets.permissions, value)

    def get_permission(self, permission: Permissions) -> bool:
        """Whether the contract has it."""
        return bool(self.permissions >> permission & 1)

    def set_permission(self, permission: Permissions, value: bool) -> None:
        """Give or take it, from the next transaction on."""
        others = self.permissions & ~(1 << permission)
        self.permissions = others | (1 << permission if value else 0)

    def get_resolved_code(self) -> Any:
        """The code, where `code_slot` says that it is."""
        number = self.code_slot
        if not number:
            return self.code.get()
        return self._slot.manager.slot(number.to_bytes(32, "little")).cast(self._code_type.__args__[0], 0)

    def get_vacant_slot(self) -> Slot:
        """A slot that nothing else uses."""
        return self._slot.indirect(root_offsets.code_slot)
