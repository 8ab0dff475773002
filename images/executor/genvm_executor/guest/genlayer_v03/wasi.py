"""The host functions as contracts may call them (contract-sdk-v03 3)."""

from genlayer_core.wasi import get_balance, get_self_balance, gl_call, storage_read, storage_write

__all__ = ("get_balance", "get_self_balance", "gl_call", "storage_read", "storage_write")
