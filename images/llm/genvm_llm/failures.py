"""How an attempt at a provider failed, for routing, counters and logs (modules 2.8)."""

from __future__ import annotations

from enum import Enum

from genvm_module.errors import ModuleError


class Kind(Enum):
    NETWORK_ERROR = "network_error"
    RATE_LIMIT = "rate_limit"
    TIMEOUT = "timeout"
    GATEWAY_TIMEOUT = "gateway_timeout"
    AUTH_ERROR = "auth_error"
    MODEL_UNAVAILABLE = "model_unavailable"
    BAD_REQUEST = "bad_request"
    SERVER_OVERLOADED = "server_overloaded"
    SERVER_ERROR = "server_error"
    UNPARSABLE = "unparsable"
    """A 200 whose answer is no JSON where JSON was asked for."""
    REFUSED = "refused"
    """A 200 in which the model or a filter refused."""
    CUT_OFF = "cut_off"
    """A 200 whose tokens were used up before the answer began."""
    NO_ANSWER = "no_answer"
    """A 200 without text that did not end by itself, or with a call of a tool."""
    BUSY = "busy"
    """No slot of ours came free in time."""
    UNKNOWN = "unknown"


OVERLOADED = frozenset({408, 429, 503, 504, 529})
_BY_STATUS = {
    429: Kind.RATE_LIMIT,
    408: Kind.TIMEOUT,
    504: Kind.GATEWAY_TIMEOUT,
    401: Kind.AUTH_ERROR,
    403: Kind.AUTH_ERROR,
    404: Kind.MODEL_UNAVAILABLE,
    400: Kind.BAD_REQUEST,
    529: Kind.SERVER_OVERLOADED,
}
PROVIDER_FAULTS = frozenset(
    {
        Kind.NETWORK_ERROR,
        Kind.RATE_LIMIT,
        Kind.TIMEOUT,
        Kind.GATEWAY_TIMEOUT,
        Kind.AUTH_ERROR,
        Kind.SERVER_OVERLOADED,
        Kind.SERVER_ERROR,
    }
)
"""What speaks against the backend as a whole; the rest may be the prompt's own doing."""


def kind_of_status(status: int) -> Kind:
    """The kind of an HTTP answer other than 200."""
    return _BY_STATUS.get(status) or (Kind.SERVER_ERROR if status >= 500 else Kind.UNKNOWN)


class ProviderFailed(ModuleError):
    """An attempt that another candidate may make good. `retry_after`: seconds, when the provider said so."""

    def __init__(
        self,
        cause: str,
        kind: Kind,
        *,
        ctx: dict[str, object] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(cause, fatal=True, ctx=ctx)
        self.kind = kind
        self.retry_after = retry_after

    @property
    def status(self) -> int | None:
        status = self.ctx.get("status")
        return status if isinstance(status, int) else None
