"""A key and a certificate for this start, made by the `openssl` of the image; neither is ever a file.

Nobody vouches for it: what binds it to the instance's token is the hello (`genvm_wire.hello`).
"""

from __future__ import annotations

import os
import ssl
import subprocess
from dataclasses import dataclass

from genvm_wire.hello import fingerprint_of

_COMMAND = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "3650",
    "-subj",
    "/CN=genvm",
]


class NoIdentity(Exception):
    """`openssl` is missing or made no certificate; the text has what it said."""


@dataclass(frozen=True, slots=True)
class Identity:
    tls: ssl.SSLContext
    fingerprint: bytes


def fresh_identity() -> Identity:
    """Blocking, some 10 ms. Raises NoIdentity."""
    key, certificate = os.memfd_create("key"), os.memfd_create("certificate")
    try:
        places = [f"/proc/self/fd/{fd}" for fd in (key, certificate)]
        made = subprocess.run(
            [*_COMMAND, "-keyout", places[0], "-out", places[1]],
            pass_fds=(key, certificate),
            capture_output=True,
            check=False,
            timeout=30,
        )
        if made.returncode != 0:
            raise NoIdentity(f"openssl made no certificate: {made.stderr[-500:].decode('utf-8', 'replace')}")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        tls.load_cert_chain(places[1], places[0])
        with open(places[1], encoding="ascii") as pem:  # noqa: PTH123 (the link is the kernel's own)
            return Identity(tls, fingerprint_of(ssl.PEM_cert_to_DER_cert(pem.read())))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise NoIdentity(f"no certificate could be made: {error}") from error
    finally:
        os.close(key)
        os.close(certificate)
