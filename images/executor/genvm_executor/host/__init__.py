"""The executor's end of the host protocol."""

from genvm_executor.host.client import HostClient
from genvm_executor.host.errors import HostError, HostLost, HostRefused, MethodAbsent

__all__ = ["HostClient", "HostError", "HostLost", "HostRefused", "MethodAbsent"]
