"""What contracts import past the public names: upstream's place for it in this line."""

from genlayer_core.deferred import LazyCapable as _lazy_api

__all__ = ("_lazy_api",)
