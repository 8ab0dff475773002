"""Passing a request on to the manager that has the run, and its answer back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import structlog
from aiohttp import hdrs, web
from yarl import URL

from orchestrator.api.body import unsigned_query
from orchestrator.api.errors import error_response
from orchestrator.api.large_answers import LARGE_ANSWERS, hang_up
from orchestrator.api.members.proof import HEADER, Proof
from orchestrator.api.times import DEFAULT_API_TIMES, ApiTimes
from orchestrator.cluster.member import ClusterMember
from orchestrator.store.members import Member
from orchestrator.tasks import cancel_and_wait

log = structlog.get_logger(__name__)

UNIX = "unix://"
PIECE = 64 * 1024
ASKED = (hdrs.AUTHORIZATION, hdrs.CONTENT_TYPE, "Idempotency-Key")
TOLD = (hdrs.CONTENT_TYPE, hdrs.RETRY_AFTER)
AWAY = "the manager that has this run does not answer: try again"


@dataclass(frozen=True, slots=True)
class Message:
    """What is passed on of a request. `target`: path and query as they came, and begun with a slash."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, request: web.Request, body: bytes = b"") -> Message:
        headers = {name: request.headers[name] for name in ASKED if name in request.headers}
        return cls(request.method, target_of(request), headers, body)


class Passing:
    """One for a manager; `aclose` it at the end."""

    def __init__(self, member: ClusterMember, proof: Proof, times: ApiTimes = DEFAULT_API_TIMES) -> None:
        self.times = times
        self.member = member
        self.proof = proof
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def pass_on(
        self, request: web.Request, run_id: int, sees: str | None, body: bytes = b""
    ) -> web.StreamResponse | None:
        """The answer of the manager that has the run; null when that is this one, or nobody, or when it is of
        another namespace than the one that the client `sees` (null: all of them).

        Raises StoreFailure.
        """
        message = Message.of(request, body)
        try:
            async with asyncio.timeout(_most(request, self.times.quick_delete)):
                answered = await self._answered(message, run_id, sees)
        except TimeoutError:
            return error_response(AWAY, 503, retry=True)
        return None if answered is None else await _passed_back(request, answered)

    async def _answered(
        self, message: Message, run_id: int, sees: str | None
    ) -> aiohttp.ClientResponse | None:
        """Raises TimeoutError when there is no owner that answers for too long; one that lives may think."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.times.member_owner
        while True:
            async with asyncio.timeout_at(until):
                owner = await self.member.owner_of(run_id, sees)
            if owner is None:
                return None
            if (answer := await self._ask(owner, message)) is not None:
                return answer
            if loop.time() > until:
                raise TimeoutError
            await asyncio.sleep(self.times.member_again)

    async def _ask(self, owner: Member, message: Message) -> aiohttp.ClientResponse | None:
        """The answer, whose body has not been read; null when there is none, or the owner died before it."""
        asking = asyncio.create_task(self._request(owner, message))
        try:
            while not asking.done():
                await asyncio.wait([asking], timeout=self.times.member_again)
                if not asking.done() and not self.member.believes_alive(owner.id):
                    return None
            return asking.result()
        except (aiohttp.ClientError, OSError) as error:
            log.info("not_passed_on", manager=owner.id, error=type(error).__name__)
            return None
        finally:
            if not asking.done():
                await cancel_and_wait(asking)

    async def _request(self, owner: Member, message: Message) -> aiohttp.ClientResponse:
        session, base = self._session(owner.address)
        headers = {**message.headers, HEADER: self.proof.of(message.method, message.target)}
        return await session.request(
            message.method,
            _url(base, message.target),
            headers=headers,
            data=message.body or None,
            allow_redirects=False,
        )

    async def tell_all(self, message: Message) -> None:
        """Have every other manager that lives carry the same out."""
        living = await self.member.living()
        await asyncio.gather(*(self._tell(other, message) for other in living))

    async def ask(self, other: Member, message: Message) -> tuple[int | None, bytes]:
        """Its answer; no status where it gave none."""
        answer = await self._ask(other, message)
        if answer is None:
            return None, b""
        try:
            async with answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, OSError):
            return None, b""

    async def _tell(self, other: Member, message: Message) -> None:
        status, _ = await self.ask(other, message)
        if status != 200:
            log.warning("order_not_carried_out", manager=other.id, order=message.target, status=status)

    async def socket(self, owner: Member, opened: Message) -> aiohttp.ClientWebSocketResponse:
        """A manager socket to another manager, on behalf of who `opened` one here. Raises ClientError."""
        session, base = self._session(owner.address)
        headers = {**opened.headers, HEADER: self.proof.of(opened.method, opened.target)}
        return await session.ws_connect(_url(base, opened.target), headers=headers, max_msg_size=0)

    def was_passed_on(self, request: web.Request) -> bool:
        """Whether another manager has sent it, which must not get it back."""
        said = request.headers.get(HEADER)
        return said is not None and self.proof.holds(said, request.method, target_of(request))

    def _session(self, address: str) -> tuple[aiohttp.ClientSession, str]:
        path = address.removeprefix(UNIX) if address.startswith(UNIX) else None
        if address not in self._sessions:
            connector = (
                aiohttp.TCPConnector(limit=0) if path is None else aiohttp.UnixConnector(path, limit=0)
            )
            times = aiohttp.ClientTimeout(total=None, sock_connect=self.times.member_connect)
            self._sessions[address] = aiohttp.ClientSession(
                connector=connector, timeout=times, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._sessions[address], "http://manager" if path is not None else address.rstrip("/")

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()


def target_of(request: web.BaseRequest) -> str:
    """Without what a client may put before the path (RFC 9112, 3.2.2): behind another manager's address it
    would lead elsewhere, with the client's token and the proof."""
    return request.rel_url.raw_path_qs


def _url(base: str, target: str) -> URL:
    """As it came: what is written in another way is signed for nothing."""
    return URL(base + target, encoded=True)


def _most(request: web.Request, quick: float) -> float | None:
    """Seconds after which a client that is in a hurry has gone, whoever is dead."""
    if request.method != hdrs.METH_DELETE:
        return None
    grace = unsigned_query(request, "wait_timeout_ms", 30_000) / 1000
    return quick if grace < quick else None


async def _passed_back(request: web.Request, asked: aiohttp.ClientResponse) -> web.StreamResponse:
    """Within the time for a large answer, whatever its size: it is held here and there until it is taken."""
    headers = {name: asked.headers[name] for name in TOLD if name in asked.headers}
    answer = web.StreamResponse(status=asked.status, headers=headers)
    answer.content_length = asked.content_length
    async with asked, request.app[LARGE_ANSWERS].in_time(request):
        try:
            await answer.prepare(request)
            async for piece in asked.content.iter_chunked(PIECE):
                await answer.write(piece)
            await answer.write_eof()
        except (aiohttp.ClientError, OSError):
            # The client would take an error for the rest of this answer.
            hang_up(request)
    return answer
