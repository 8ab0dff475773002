"""Requests as they are (contract-sdk-v03 3)."""

from genlayer_core.raw_calls import contract_return, gl_call_generic, user_error

__all__ = ("contract_return", "gl_call_generic", "user_error")
