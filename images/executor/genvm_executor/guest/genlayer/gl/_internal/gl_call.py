"""Requests as they are (contract-sdk 3.2)."""

from genlayer_core.raw_calls import contract_return, gl_call_generic

from genlayer.gl.advanced import user_error_immediate as rollback

__all__ = ("contract_return", "gl_call_generic", "rollback")
