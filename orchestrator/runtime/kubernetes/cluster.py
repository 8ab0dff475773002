"""Where the API server is, which namespace is ours, and by what it knows us.

A manager in a Pod finds all of it in its own container. The token there is replaced while the manager runs,
so it is a file that is read again, never a text that is kept.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.runtime.port import EngineRefused

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Cluster:
    """`server` is a URL without a path. Without a `ca_file` the system's authorities count."""

    server: str
    namespace: str
    ca_file: Path | None = None
    token_file: Path | None = None
    certificate_file: Path | None = None
    """A client's certificate with its key in one file, where that is what it knows us by."""

    def token(self) -> str | None:
        """The token as it is now. Blocking. Raises EngineRefused when its file cannot be read."""
        return None if self.token_file is None else _read(self.token_file)

    def tls(self) -> ssl.SSLContext | None:
        """What the connection is checked with; null for plain HTTP. Blocking. Raises EngineRefused."""
        if not self.server.startswith("https://"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file)
        except (OSError, ssl.SSLError) as error:
            named = " or ".join(str(file) for file in (self.ca_file, self.certificate_file) if file)
            raise EngineRefused(f"{named} cannot be used as certificates: {error}") from error
        return context


def in_cluster(environment: Mapping[str, str], directory: Path = SERVICE_ACCOUNT) -> Cluster:
    """The cluster that this process is a Pod of. Blocking.

    Raises EngineRefused outside of one, and where no service account is mounted.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    if not (host and port):
        raise EngineRefused("this process is not in a cluster: KUBERNETES_SERVICE_HOST and _PORT are not set")
    return Cluster(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=_read(directory / "namespace"),
        ca_file=directory / "ca.crt",
        token_file=directory / "token",
    )


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineRefused(
            f"{file} cannot be read: {error}; is the service account's token mounted?"
        ) from error
