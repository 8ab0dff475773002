"""The message signature of a request: what is signed, byte for byte (RFC 9421; modules 3.6)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from genvm_web.urls import WebUrl

LABEL = "genvm"
ALGORITHM = "ES256K"
SALT_BYTES = 32

ALWAYS_COVERED = (
    "@method",
    "@scheme",
    "@authority",
    "@path",
    "genlayer-node-address",
    "genlayer-tx-id",
    "genlayer-salt",
)


@dataclass(frozen=True, slots=True)
class SignatureBase:
    """`text` is what gets signed, `parameters` what `signature-input` says about it."""

    text: bytes
    parameters: str

    def headers(self, signature: bytes) -> dict[str, bytes]:
        """The two headers that carry the signature."""
        encoded = base64.b64encode(signature).decode()
        return {
            "signature-input": f"{LABEL}={self.parameters}".encode(),
            "signature": f"{LABEL}=:{encoded}:".encode(),
        }


def identity_headers(
    node_address: str, transaction: str, salt: bytes, body: bytes | None
) -> dict[str, bytes]:
    """What is added before signing: who asks, a salt, and the body's digest if there is one."""
    headers = {
        "genlayer-node-address": node_address.encode(),
        "genlayer-tx-id": transaction.encode(),
        "genlayer-salt": base64.b64encode(salt),
    }
    if body is not None:
        digest = base64.b64encode(hashlib.sha256(body).digest())
        headers["content-digest"] = b"sha-256=:" + digest + b":"
    return headers


def signature_base(method: str, url: WebUrl, headers: Mapping[str, bytes], created: int) -> SignatureBase:
    """`headers` have those of `identity_headers`; `created` is in Unix seconds."""
    values = {
        "@method": method.encode(),
        "@scheme": url.scheme.encode(),
        "@authority": url.authority.encode(),
        "@path": url.path.encode(),
        "@query": url.query.encode(),
        **headers,
    }
    covered = list(ALWAYS_COVERED)
    covered += ["content-digest"] if "content-digest" in headers else []
    covered += ["@query"] if url.query else []
    names = " ".join(f'"{name}"' for name in covered)
    parameters = f'({names});created={created};alg="{ALGORITHM}"'
    lines = [f'"{name}": '.encode() + values[name] for name in covered]
    lines.append(f'"@signature-params": {parameters}'.encode())
    return SignatureBase(b"\n".join(lines), parameters)
