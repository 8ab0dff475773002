"""The manager socket writes and reads exactly the bytes of the page (manager-api 4.1, 4.3, 4.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from genvm_wire.calldata import encode
from orchestrator.api.socket import frames, payloads
from orchestrator.api.socket.events import progress, terminal
from orchestrator.api.socket.frames import BadFrame, ErrorCode, Method, RequestFailed
from orchestrator.executions.final import FinalStatus, Terms
from orchestrator.executions.request import ResultForm
from orchestrator.executions.state import Cause, Execution, Outcome

BOOT_ID = 0x0123456789ABCDEF
MOMENT = datetime(2026, 8, 6, tzinfo=UTC)
TERMS = Terms("unix:///h.sock", ResultForm.BASE64, capture_output=False, log_needs_capture=False)


def run(started: bool = True) -> Execution:
    return Execution(1, MOMENT, MOMENT, started_at=MOMENT if started else None)


def final(outcome: Outcome, key: str | None = None, **changes: Any) -> FinalStatus:
    plain = {
        "version": "", "engine_id": None, "stdout": b"", "stdout_total": 0, "stderr": b"", "stderr_total": 0,
    }  # fmt: skip
    return FinalStatus(id=1, key=key, terms=TERMS, outcome=outcome, log=[], **(plain | changes))


BOOM = Outcome(Cause.UPSTREAM, MOMENT, error="boom")
CANCELLED = Outcome(Cause.CANCELLED, MOMENT, error="ended by order: cancelled")
UNKNOWN_ID = RequestFailed(ErrorCode.UNKNOWN_ID, "GenVM with id 999 not found")
UNKNOWN_METHOD = RequestFailed(ErrorCode.UNKNOWN_METHOD, "unknown method id 65535")

SENT: dict[str, tuple[bytes, str]] = {
    "hello": (
        frames.hello(BOOT_ID),
        "0001 0000000000000000"
        "0e0568656c6c6f1607626f6f745f6964f9def9eac4e78a8d090e70726f746f636f6c5f6d616a6f7201",
    ),
    "run reply": (
        frames.frame(Method.RUN, 2, {"genvm_id": 1}),
        "0003 0000000000000002 0e0867656e766d5f696409",
    ),
    "started": (
        frames.event(progress(run(), None)),
        "0002 0000000000000000 0e0773746172746564160867656e766d5f6964090d686f73745f67656e766d5f696400",
    ),
    "started, tx-7": (
        frames.event(progress(run(), "tx-7")),
        "0002 00000000000000000e0773746172746564160867656e766d5f6964090d686f73745f67656e766d5f69642474782d37",
    ),
    "failed to start": (
        frames.event(terminal(final(BOOM))),
        "0002 0000000000000000 0e0f6661696c65645f746f5f73746172741e056572726f7224626f6f6d"
        "0867656e766d5f6964090d686f73745f67656e766d5f696400",
    ),
    "attach reply": (
        frames.frame(Method.ATTACH, 3, {"snapshot": progress(run(started=False), None)}),
        "0004 0000000000000003"
        "0e08736e617073686f740e06717565756564160867656e766d5f6964090d686f73745f67656e766d5f696400",
    ),
    "cancel reply": (frames.frame(Method.CANCEL, 4, {}), "0005 0000000000000004 06"),
    "ack reply": (frames.frame(Method.ACK, 5, {}), "0006 0000000000000005 06"),
    "artifact reply": (
        frames.frame(Method.GET_ARTIFACT, 6, {"total_len": 2, "data": b"1\n"}),
        "0007 0000000000000006 16046461746113310a09746f74616c5f6c656e11",
    ),
    "unknown id": (
        frames.error(3, UNKNOWN_ID),
        "0000 0000000000000003 1604636f646519076d657373616765"
        "dc0147656e564d207769746820696420393939206e6f7420666f756e64",
    ),
    "unknown method": (
        frames.error(1, UNKNOWN_METHOD),
        "0000 0000000000000001"
        "1604636f646511076d657373616765bc01756e6b6e6f776e206d6574686f64206964203635353335",
    ),
    "cancelled while queued": (
        frames.event(terminal(final(CANCELLED))),
        "0002 0000000000000000"
        "0e0866696e6973686564560e61727469666163745f73697a65731e0967656e766d5f6c6f67010673746465727201"
        "067374646f7574010563617573654c63616e63656c6c65640f636f6e73756d65645f726573756c7400"
        "09657869745f636f6465000b66696e69736865645f6174a401323032362d30382d30365430303a30303a30305a"
        "0867656e766d5f6964090d686f73745f67656e766d5f696400076d657472696373000d76657273696f6e5f6d616a6f7201"
        "0d76657273696f6e5f6d696e6f7201",
    ),
}


@pytest.mark.parametrize(("sent", "expected"), SENT.values(), ids=SENT.keys())
def test_frames_of_section_4_5_are_written_byte_for_byte(sent: bytes, expected: str) -> None:
    assert sent.hex() == expected.replace(" ", "")


def received(text: str) -> tuple[Method, int, Any]:
    request = frames.request_of(bytes.fromhex(text))
    return request.method, request.request_id, frames.decoded(request.payload)


def test_the_attach_request_of_section_4_5_is_read() -> None:
    method, request_id, payload = received(
        "0004 0000000000000003 0e066174746163681607626f6f745f6964f9def9eac4e78a8d090867656e766d5f696409"
    )
    assert (method, request_id) == (Method.ATTACH, 3)
    assert payloads.attach(payload) == payloads.Attach(BOOT_ID, 1)


@pytest.mark.parametrize(
    ("text", "method", "request_id", "tag"),
    [
        ("0005 0000000000000004 0e0663616e63656c0e0867656e766d5f696409", Method.CANCEL, 4, "cancel"),
        ("0006 0000000000000005 0e0361636b0e0867656e766d5f696409", Method.ACK, 5, "ack"),
    ],
)
def test_the_cancel_and_ack_requests_of_section_4_5_are_read(
    text: str, method: Method, request_id: int, tag: str
) -> None:
    found, found_id, payload = received(text)
    assert (found, found_id, payloads.run_id(payload, tag)) == (method, request_id, 1)


def test_the_artifact_request_of_section_4_5_is_read() -> None:
    method, request_id, payload = received(
        "0007 0000000000000006 0e0c6765745f617274696661637426056669656c64347374646f7574"
        "0867656e766d5f696409076d61785f6c656e818020066f666673657401"
    )
    assert (method, request_id) == (Method.GET_ARTIFACT, 6)
    assert payloads.get_artifact(payload) == payloads.GetArtifact(1, "stdout", 0, 65536)


def test_the_run_request_of_section_8_is_read() -> None:
    wrapped = encode({"run": {"selector": {"kind": "major", "major": 0}}})
    assert wrapped.hex().startswith("0e0372756e")
    method, request_id, payload = received("0003 000000000000ffff" + wrapped.hex())
    assert (method, request_id) == (Method.RUN, 0xFFFF)
    assert payloads.run_map(payload) == {"selector": {"kind": "major", "major": 0}}


@pytest.mark.parametrize(
    ("text", "code", "request_id"),
    [
        ("", ErrorCode.MALFORMED_FRAME, 0),
        ("0004 00000000000000", ErrorCode.MALFORMED_FRAME, 0),
        ("ffff 0000000000000000", ErrorCode.UNKNOWN_METHOD, 0),
        ("0008 0000000000000009", ErrorCode.UNKNOWN_METHOD, 9),
        ("0003 0000000000000000", ErrorCode.BAD_REQUEST_ID, 0),
        ("0000 0000000000000000", ErrorCode.BAD_REQUEST_ID, 0),
        ("0000 0000000000000007", ErrorCode.UNKNOWN_METHOD, 7),
        ("0001 0000000000000007", ErrorCode.UNKNOWN_METHOD, 7),
        ("0002 ffffffffffffffff", ErrorCode.UNKNOWN_METHOD, 2**64 - 1),
    ],
    ids=[
        "empty", "nine bytes", "unknown method, id 0", "unknown method", "id 0", "server method, id 0",
        "error from a client", "hello from a client", "event from a client",
    ],
)  # fmt: skip
def test_messages_are_checked_in_the_order_of_section_4_1(
    text: str, code: ErrorCode, request_id: int
) -> None:
    with pytest.raises(BadFrame) as refused:
        frames.request_of(bytes.fromhex(text))
    assert (refused.value.code, refused.value.request_id) == (code, request_id)


def test_a_text_message_is_malformed_and_has_no_id() -> None:
    refused = frames.text_message()
    assert (refused.code, refused.request_id) == (ErrorCode.MALFORMED_FRAME, 0)


ATTACH = {"boot_id": 1, "genvm_id": 1}
ARTIFACT: dict[str, Any] = {"field": "stdout", "genvm_id": 1, "max_len": 1, "offset": 0}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        {"attach": ATTACH, "more": None},
        {"cancel": ATTACH},
        {"attach": None},
        {"attach": {"boot_id": 1}},
        {"attach": ATTACH | {"more": 1}},
        {"attach": ATTACH | {"boot_id": -1}},
        {"attach": ATTACH | {"boot_id": 2**64}},
        {"attach": ATTACH | {"genvm_id": True}},
        {"attach": ATTACH | {"genvm_id": "1"}},
    ],
)
def test_an_attach_payload_has_exactly_its_keys_and_types(payload: Any) -> None:
    with pytest.raises(RequestFailed) as refused:
        payloads.attach(payload)
    assert refused.value.code is ErrorCode.MALFORMED_FRAME


@pytest.mark.parametrize(
    "change",
    [
        {"field": "result"},
        {"field": b"stdout"},
        {"offset": None},
        {"max_len": 2**32},
        {"offset": 2**64},
        {"limit": 1},
    ],
)
def test_an_artifact_payload_has_exactly_its_keys_and_types(change: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed) as refused:
        payloads.get_artifact({"get_artifact": ARTIFACT | change})
    assert refused.value.code is ErrorCode.MALFORMED_FRAME


def test_an_undecodable_payload_is_malformed() -> None:
    with pytest.raises(RequestFailed) as refused:
        frames.decoded(memoryview(b"\x06\x06"))
    assert refused.value.code is ErrorCode.MALFORMED_FRAME


ENDS: dict[str, tuple[Outcome, str, Any, Any]] = {
    "a result": (
        Outcome(Cause.EXITED, MOMENT, b"\0\0", exit_code=0, host_connected=True), "exited", 0, b"\0\0"
    ),
    "a crash": (
        Outcome(Cause.EXITED, MOMENT, exit_code=3, host_connected=True, error="e"), "exited", 3, None
    ),
    "a signal": (Outcome(Cause.SIGNAL, MOMENT, host_connected=True, error="e"), "exited", None, None),
    "out of memory": (Outcome(Cause.OOM, MOMENT, oom_killed=True, error="e"), "exited", None, None),
    "a broken protocol": (
        Outcome(Cause.PROTOCOL, MOMENT, host_connected=True, error="e"), "exited", None, None
    ),
    "a node that went": (
        Outcome(Cause.UPSTREAM, MOMENT, exit_code=1, host_connected=True, error="e"), "exited", 1, None
    ),
    "an exit at once": (Outcome(Cause.ENGINE, MOMENT, exit_code=9, error="e"), "exited", 9, None),
    "the deadline in the queue": (Outcome(Cause.DEADLINE, MOMENT, error="e"), "deadline", None, None),
    "shutdown": (Outcome(Cause.SHUTDOWN, MOMENT, host_connected=True, error="e"), "shutdown", None, None),
}  # fmt: skip


@pytest.mark.parametrize(("outcome", "cause", "exit_code", "result"), ENDS.values(), ids=ENDS.keys())
def test_what_ends_a_process_is_finished_with_one_of_the_four_causes_of_section_4_3(
    outcome: Outcome, cause: str, exit_code: int | None, result: bytes | None
) -> None:
    payload: Any = terminal(final(outcome))
    found = payload["finished"]
    assert (found["cause"], found["exit_code"], found["consumed_result"]) == (cause, exit_code, result)


@pytest.mark.parametrize("cause", [Cause.ENGINE, Cause.INTERNAL, Cause.UPSTREAM, Cause.PROTOCOL])
def test_what_had_no_process_with_a_request_failed_to_start(cause: Cause) -> None:
    payload: Any = terminal(final(Outcome(cause, MOMENT, error="why")))
    assert payload == {"failed_to_start": {"genvm_id": 1, "host_genvm_id": None, "error": "why"}}


def test_finished_names_the_version_and_the_size_of_each_artifact() -> None:
    outcome = Outcome(
        Cause.EXITED, MOMENT.replace(microsecond=500000), b"\0\0", exit_code=0, host_connected=True
    )
    whole = final(
        outcome, "tx-7", version="v0.3.1-rc2", stdout=b"abc", stdout_total=3, stderr=b"\xa9e", stderr_total=9
    )
    payload: Any = terminal(whole)
    found = payload["finished"]
    assert (found["version_major"], found["version_minor"]) == (0, 3)
    assert found["artifact_sizes"] == {"stdout": 3, "stderr": 1, "genvm_log": 0}
    assert found["finished_at"] == "2026-08-06T00:00:00.500000Z"
    assert found["host_genvm_id"] == "tx-7"
