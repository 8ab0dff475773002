"""Clients with tokens: a tokens file, and a session for each of its tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector

from orchestrator.access.entries import HASH_PREFIX, TokenEntry, line_of
from orchestrator.access.scope import Scope
from orchestrator.access.token import digest_of, new_token
from tests.integration.manager.conftest import Client, MakeClient

READER, ALICE, BOB, ROOT = "reader", "alice", "bob", "root"
WHO: dict[str, tuple[Scope, str]] = {
    READER: (Scope.READ, "a"),
    ALICE: (Scope.NODE, "a"),
    BOB: (Scope.NODE, "b"),
    ROOT: (Scope.OPERATOR, "ops"),
}


@dataclasses.dataclass
class TokensFile:
    """The file of a manager under test; `texts` are the tokens by name."""

    path: Path
    texts: dict[str, str] = dataclasses.field(default_factory=dict)
    lines: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, name: str, scope: Scope, namespace: str, **rates: Any) -> None:
        """A new token of that name; `write` puts it in."""
        self.texts[name] = new_token()
        hashed = HASH_PREFIX + digest_of(self.texts[name]).hex()
        self.lines[name] = line_of(
            TokenEntry(name=name, scopes=[scope], namespace=namespace, hash=hashed, **rates)
        )

    def write(self) -> None:
        """All at once, as a careful operator does it."""
        draft = self.path.with_suffix(".new")
        draft.write_text("".join(line + "\n" for line in self.lines.values()))
        draft.chmod(0o600)
        draft.replace(self.path)

    def header(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.texts[name]}"}


@pytest.fixture
def tokens_file(folder: Path) -> TokensFile:
    """One token of each scope in namespaces `a`, `b` and `ops`."""
    file = TokensFile(folder / "tokens")
    for name, (scope, namespace) in WHO.items():
        file.add(name, scope, namespace)
    file.write()
    return file


As = Callable[[str], Awaitable[Client]]
MakeAs = Callable[..., Awaitable[As]]


@pytest.fixture
async def make_as(make_client: MakeClient, tokens_file: TokensFile) -> AsyncIterator[MakeAs]:
    """A manager with tokens; what it gives makes a client that sends the named one."""
    async with AsyncExitStack() as sessions:

        async def make(**changes: Any) -> As:
            nobody = await make_client(tokens_file=tokens_file.path, **changes)

            async def speaking_as(name: str) -> Client:
                path = nobody.manager.settings.socket
                connector = None if path is None else UnixConnector(str(path))
                session = ClientSession(
                    nobody.address,
                    connector=connector,
                    timeout=ClientTimeout(total=30),
                    headers=tokens_file.header(name) if name else None,
                )
                await sessions.enter_async_context(session)
                return dataclasses.replace(nobody, session=session)

            return speaking_as

        yield make
