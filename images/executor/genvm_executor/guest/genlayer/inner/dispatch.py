"""From a message to a method, as this line does it (contract-sdk 7.2)."""

from genlayer_core.dispatch import Dispatch, abstract, not_public, value_for_non_payable

from genlayer.py.public_abi import SpecialMethod
from genlayer.py.storage import Root

DISPATCH = Dispatch(
    root=Root,
    # Newer hosts send the name under the empty key.
    method_keys=("method", ""),
    objections=(not_public, abstract, value_for_non_payable),
    specials={SpecialMethod.ERRORED_MESSAGE: "__on_errored_message__"},
)
