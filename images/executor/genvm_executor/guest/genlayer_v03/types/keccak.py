"""Keccak-256 (contract-sdk-v03 4)."""

from genlayer_core.keccak import Keccak256

KeccakHash = Keccak256

__all__ = ("Keccak256", "KeccakHash")
