"""Non-deterministic work: WebRender, WebRequest, ExecPrompt and ExecPromptTemplate, answered by the modules.

Spec: modules.md, 1.8-1.10; contract-runtime.md, 6.2, 9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from genvm_executor.host import HostClient
from genvm_executor.job import Job
from genvm_executor.module_stream import ModuleStream
from genvm_executor.outcome import RunBroken, RunCancelled, VmFault
from genvm_executor.sdk_errno import SdkErrno, SdkRefused
from genvm_executor.traps import memory_spent_text
from genvm_wire import module_messages
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.json_values import JsonRefused, value_of_json
from genvm_wire.module_messages import (
    BUDGET_EXHAUSTED,
    FatalError,
    Hello,
    ModuleMessageMalformed,
    ModuleMessageTooLarge,
    Ok,
    UserError,
    parse_prompt_answer,
)

MODULE_OF_REQUEST = {
    "WebRender": "web",
    "WebRequest": "web",
    "ExecPrompt": "llm",
    "ExecPromptTemplate": "llm",
}
RENDER_NEEDS = 128 * 1024 * 1024
REQUEST_NEEDS = 64 * 1024
"""Bytes of memory that a VM must have left for an answer to be asked for."""
_U32 = 2**32 - 1
_TEXT_TEMPLATES = frozenset({"EqNonComparativeLeader"})

Payload = dict[str, Any]
"""A payload after `check_payload`."""


@dataclass(slots=True)
class Modules:
    """The module connections of a run; `streams` by module name, none for a run without modules."""

    job: Job
    node: HostClient
    streams: Mapping[str, ModuleStream] = field(default_factory=dict)
    cancelled: Callable[[], bool] = lambda: False
    consumed: int = 0
    """GEN wei that prompts of this run cost so far"""

    def ask(self, name: str, payload: Payload, memory_left: int) -> bytes:
        """The answer as calldata `{"ok": …}` or `{"error": …}`. `memory_left` in bytes, of the asking VM.

        Raises VmFault (budget or memory spent), RunBroken when there is no answer to be had, RunCancelled.
        """
        match name:
            case "WebRender":
                return self._web(name, _render_request(payload, self._size_limit(memory_left, RENDER_NEEDS)))
            case "WebRequest":
                return self._web(name, _web_request(payload, self._size_limit(memory_left, REQUEST_NEEDS)))
            case "ExecPrompt":
                payload = {"response_format": "text", **payload}
                as_json = payload["response_format"] == "json"
                return self._llm(name, module_messages.prompt, payload, self._object if as_json else _text)
        is_text = payload["template"] in _TEXT_TEMPLATES
        return self._llm(name, module_messages.prompt_template, payload, _text if is_text else _bool)

    def interrupt(self) -> None:
        """End the waits for answers: the run was cancelled. Thread-safe."""
        for stream in self.streams.values():
            stream.interrupt()

    def close(self) -> None:
        """End the sessions. Idempotent."""
        for stream in self.streams.values():
            stream.close()

    def _size_limit(self, memory_left: int, needed: int) -> int:
        if memory_left < needed:
            raise VmFault(memory_spent_text(self.job.contract_line))
        return min(memory_left * 3 // 4, _U32)

    def _web(self, name: str, request: Encodable) -> bytes:
        return encode(self._exchange(name, request))

    def _llm(
        self,
        name: str,
        message: Callable[[Payload, int], Encodable],
        payload: Payload,
        read: Callable[[Value], Value],
    ) -> bytes:
        self._need_stream(name)
        answer = self._exchange(name, message(payload, self.node.remaining_fuel()))
        if "ok" not in answer:
            return encode(answer)
        try:
            prompted = parse_prompt_answer(answer["ok"])
            if prompted.consumed == BUDGET_EXHAUSTED:
                raise VmFault("timeout")
            self.consumed += prompted.consumed
            self.node.consume_fuel(prompted.consumed)
            return encode({"ok": read(prompted.data)})
        except (ModuleMessageMalformed, JsonRefused) as error:
            raise RunBroken(f"the llm module's answer to {name} is no good: {error}") from error

    def _object(self, data: Value) -> Value:
        """An object, as the contract line takes it: a value up to v0.2, its text from then on."""
        if isinstance(data, str) and self.job.contract_line != "v0.2":
            return data
        value = value_of_json(data) if isinstance(data, str) else data
        if not isinstance(value, dict):
            raise ModuleMessageMalformed("it is no JSON object")
        return value

    def _exchange(self, name: str, request: Encodable) -> dict[str, Value]:
        stream = self._need_stream(name)
        try:
            answer = stream.ask(self._hello(), request)
        except ModuleMessageTooLarge:
            raise SdkRefused(SdkErrno.INVAL) from None
        except RunBroken:
            if self.cancelled():
                raise RunCancelled("cancelled while a module worked") from None
            raise
        match answer:
            case Ok(value):
                return {"ok": value}
            case UserError(error):
                return {"error": error}
            case FatalError(text):
                raise RunBroken(f"{name}: the {MODULE_OF_REQUEST[name]} module failed: {text}")

    def _need_stream(self, name: str) -> ModuleStream:
        module = MODULE_OF_REQUEST[name]
        stream = self.streams.get(module)
        if stream is None:
            raise RunBroken(f"{name} needs the {module} module, which this run is not connected to")
        return stream

    def _hello(self) -> Hello:
        job = self.job
        return Hello(
            genvm_id=job.run,
            role=module_messages.LEADER if job.leader_nondet_results is None else module_messages.VALIDATOR,
            host_data=_host_data(job.host_data),
            gas_data=job.fees.gas_data,
            initial_time_units_allocation=job.fees.initial_time_units,
        )


def _host_data(text: str) -> dict[str, Value]:
    """Raises RunBroken, whose text repeats nothing of it: it holds secrets."""
    try:
        value = value_of_json(text)
    except JsonRefused:
        raise RunBroken("modules need host_data that is a JSON object") from None
    if not isinstance(value, dict):
        raise RunBroken("modules need host_data that is a JSON object")
    return value


def _render_request(payload: Payload, size_limit: int) -> Encodable:
    return module_messages.render({"wait_after_loaded": "0ms", **payload}, size_limit)


def _web_request(payload: Payload, size_limit: int) -> Encodable:
    return module_messages.request({"body": None, "sign": False, **payload}, size_limit)


def _text(data: Value) -> Value:
    if not isinstance(data, str):
        raise ModuleMessageMalformed("it is no text")
    return data


def _bool(data: Value) -> Value:
    if not isinstance(data, bool):
        raise ModuleMessageMalformed("it is no boolean")
    return data
