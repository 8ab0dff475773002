"""A run's module connections: requests of contracts, asked of the modules (modules 1.8–1.10)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping

from genvm_executor.host import HostClient
from genvm_executor.host.internal_errors import NO_ANSWER, Cause, reported
from genvm_executor.lines import ContractLine
from genvm_executor.machine.outcome import RunBroken, RunCancelled, VmFault
from genvm_executor.machine.sdk_errno import SdkErrno, SdkRefused
from genvm_executor.modules.link import ModuleLink
from genvm_executor.modules.port import MODULE_OF_REQUEST, NoModules
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.module_requests import (
    AnswerMalformed,
    FatalError,
    ModuleAnswer,
    Ok,
    RequestTooLarge,
    UserError,
    prompt_request,
    read_prompt_answer,
    web_request,
)

MIB = 1024 * 1024
RENDER_NEEDS, REQUEST_NEEDS = 128 * MIB, 64 * 1024
"""Bytes of memory that the VM must have left for a page, for a response."""

VARIANTS = {
    "WebRender": "Render",
    "WebRequest": "Request",
    "ExecPrompt": "Prompt",
    "ExecPromptTemplate": "PromptTemplate",
}
BOOLEAN_TEMPLATES = frozenset({"EqComparative", "EqNonComparativeValidator"})


class ModuleClient:
    """Implements `Modules` over `links`, one per module that the run was connected to.

    `line` is the run's, which a contract may have chosen by the time it asks.
    """

    def __init__(
        self,
        links: Mapping[str, ModuleLink],
        node: HostClient,
        line: Callable[[], ContractLine],
        cancelled: threading.Event,
    ) -> None:
        self._links = dict(links)
        self._node = node
        self._line = line
        self._cancelled = cancelled
        self._consumed = 0

    @property
    def consumed(self) -> int:
        return self._consumed

    def ask(self, request: str, payload: Value, memory_left: int) -> bytes:
        link = self._links.get(MODULE_OF_REQUEST[request])
        if link is None:
            return NoModules().ask(request, payload, memory_left)
        if MODULE_OF_REQUEST[request] == "web":
            return self._browse(link, request, payload, memory_left)
        return self._prompt(link, request, payload)

    def interrupt(self) -> None:
        for link in self._links.values():
            link.shut_down()

    def close(self) -> None:
        for link in self._links.values():
            link.close()

    def _browse(self, link: ModuleLink, request: str, payload: Value, memory_left: int) -> bytes:
        needed = RENDER_NEEDS if request == "WebRender" else REQUEST_NEEDS
        if memory_left < needed:
            raise VmFault(self._line().texts.no_memory_for_answer)
        wanted = _complete(request, payload)
        answer = self._answer(link, request, web_request(VARIANTS[request], wanted, memory_left * 3 // 4))
        return encode({"ok": answer.value} if isinstance(answer, Ok) else {"error": answer.value})

    def _prompt(self, link: ModuleLink, request: str, payload: Value) -> bytes:
        remaining = self._node.remaining_fuel()
        answer = self._answer(link, request, prompt_request(VARIANTS[request], payload, remaining))
        if isinstance(answer, UserError):
            return encode({"error": answer.value})
        try:
            prompted = read_prompt_answer(answer.value)
            if prompted.exhausted:
                raise VmFault("timeout")
            self._consumed += prompted.consumed
            self._node.consume_fuel(prompted.consumed)
            return encode({"ok": data_for(request, payload, prompted.data, self._line())})
        except AnswerMalformed as error:
            raise RunBroken(f"the llm module: {error}", Cause((NO_ANSWER,))) from error

    def _answer(self, link: ModuleLink, request: str, wanted: dict[str, Encodable]) -> Ok | UserError:
        try:
            answer: ModuleAnswer = link.ask(wanted)
        except RequestTooLarge:
            raise SdkRefused(SdkErrno.INVAL) from None
        except RunBroken:
            if self._cancelled.is_set():
                raise RunCancelled("cancelled while a module was asked") from None
            raise
        if isinstance(answer, FatalError):
            raise RunBroken(f"{request}: {answer.text}", reported(answer.text))
        return answer


def _complete(request: str, payload: Value) -> Value:
    """The payload with every key that modules may insist on."""
    if not isinstance(payload, dict):
        return payload
    defaults: dict[str, Value] = {"wait_after_loaded": "0ms"} if request == "WebRender" else {"sign": False}
    return defaults | payload


def data_for(request: str, payload: Value, data: Value, line: ContractLine) -> Value:
    """What the contract reads. Raises AnswerMalformed.

    JSON reaches a contract as an object without fractions, or as its text where its line's library reads it.
    """
    wanted = payload if isinstance(payload, dict) else {}
    if request == "ExecPromptTemplate":
        kind: type = bool if wanted.get("template") in BOOLEAN_TEMPLATES else str
        if type(data) is not kind:
            raise AnswerMalformed(f"a template's answer is no {kind.__name__}")
        return data
    if wanted.get("response_format") != "json":
        if not isinstance(data, str):
            raise AnswerMalformed("a text prompt's answer is no text")
        return data
    if line.reads_json_itself:
        if not isinstance(data, str):
            raise AnswerMalformed("a JSON prompt's answer is no text")
        return data
    return data if isinstance(data, dict) else _parsed(data)


def _parsed(data: Value) -> Value:
    """A JSON object; numbers that are no integers stay as their text, since calldata has no others."""
    if not isinstance(data, str):
        raise AnswerMalformed("a JSON prompt's answer is neither text nor a map")
    try:
        value: Value = json.loads(data, parse_float=str, parse_constant=_no_number)
        encode({"ok": value})  # nesting and half characters that JSON takes and calldata does not
    except (ValueError, RecursionError):
        raise AnswerMalformed("a JSON prompt's answer is not JSON that calldata can carry") from None
    if not isinstance(value, dict):
        raise AnswerMalformed("a JSON prompt's answer is no object")
    return value


def _no_number(text: str) -> str:
    raise ValueError(text)
