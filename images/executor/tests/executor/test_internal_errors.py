"""What a node reads when nothing could be observed, in each form of results (modules.md, correction 1)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from genvm_executor.host.internal_errors import Cause, internal_error_text, reported
from genvm_wire.calldata import Encodable, decode
from genvm_wire.host_tables import HOST_TABLES, ResultForm

from .executor_process import Executor, call, job
from .module_peer import ModulePeer
from .node_host import NodeHost
from .test_modules import HOST_DATA, block

RATE_LIMITED = {
    "causes": ["NO_PROVIDER_FOR_PROMPT"],
    "fatal": True,
    "ctx": {
        "attempts": [
            {"backend": "node-1", "model": "m", "kind": "rate_limit", "cause": "STATUS_NOT_OK", "status": 429}
        ]
    },
}
NO_PAGE = {"causes": ["WEBDRIVER_UNAVAILABLE", "STATUS_NOT_OK"], "fatal": True, "ctx": {"status": 503}}

# The patterns that node software has.
FIRST_CAUSE = re.compile(r'causes:\s*\["([A-Z_][A-Z0-9_]*)"')
FATAL = re.compile(r"fatal:\s*(true|false)")
NUMBER = re.compile(r'"(\w+)":\s*Number\(([\d.]+)\)')
TEXT = re.compile(r'"(\w+)":\s*Str\("((?:[^"\\]|\\.)*)"\)')

PayloadOf = Callable[..., bytes]
EARLIER_TABLES = ["T15a", "T15b", "T9w", "T8"]


def fatal(error: Any) -> Encodable:
    return {"FatalError": json.dumps(error, separators=(",", ":"))}


@pytest.fixture
def payload_of(executor: Executor) -> Iterator[PayloadOf]:
    """The result payload of a run on a table whose modules answer as told."""
    open_ends: list[NodeHost | ModulePeer] = []

    def run(
        table: str, expression: str, *, llm: Sequence[Encodable] = (), web: Sequence[Encodable] = ()
    ) -> bytes:
        host = HOST_TABLES[table]
        node, peers = NodeHost(host, calldata=call("go")), (ModulePeer(llm), ModulePeer(web))
        open_ends.extend((node, *peers))
        node.store_code(block(expression).encode())
        executor.wait_ready()
        wanted = job(
            sockets=["host", "llm", "web"], host_data=HOST_DATA, host_table=table,
            fuel_width=host.fuel_width, calldata=call("go"), storage_pages=9,
        )  # fmt: skip
        sides = (node.executor_side, *(peer.executor_side for peer in peers))
        executor.channel.send(wanted, [side.fileno() for side in sides])
        for side in sides:
            side.close()
        return executor.follow().payload

    yield run
    for end in open_ends:
        end.close()


def found(pattern: re.Pattern[str], text: str) -> str:
    """What the first match has in its only group."""
    match = pattern.search(text)
    assert match is not None, text
    return str(match[1])


def text_of(table: str, payload: bytes) -> str:
    assert payload[0] == 3
    if table == "T15a":
        return payload[1:].decode()
    fields: Any = decode(payload[1:])
    assert fields["kind"] == "InternalError"
    return str(fields["data"])


@pytest.mark.parametrize("table", EARLIER_TABLES)
def test_a_rate_limited_provider_is_named_to_the_node(payload_of: PayloadOf, table: str) -> None:
    text = text_of(table, payload_of(table, "gl.nondet.exec_prompt('x')", llm=[fatal(RATE_LIMITED)]))
    assert text == (
        'ModuleError { causes: ["NO_PROVIDER_FOR_PROMPT"], fatal: true, ctx: {"primary_error": Map({'
        '"status": Number(429.0), "model": Str("m"), "provider": Str("node-1"), '
        '"error_message": Str("STATUS_NOT_OK: rate_limit")}), "fallback_error": Nil} }'
    )
    assert found(FIRST_CAUSE, text) == "NO_PROVIDER_FOR_PROMPT"


@pytest.mark.parametrize("table", EARLIER_TABLES)
def test_a_page_service_that_is_away_is_named_to_the_node(payload_of: PayloadOf, table: str) -> None:
    text = text_of(table, payload_of(table, "gl.nondet.web.render('https://a.com')", web=[fatal(NO_PAGE)]))
    assert found(FIRST_CAUSE, text) == "WEBDRIVER_UNAVAILABLE"
    assert found(FATAL, text) == "true"
    assert NUMBER.findall(text) == [("status", "503.0")]


@pytest.mark.parametrize(
    "answer", [b"\x00\x00\x00\x10half", {"Else": 1}, {"Ok": 1}], ids=["gone", "odd", "empty"]
)
def test_a_module_that_does_not_answer_is_no_broken_vm(payload_of: PayloadOf, answer: Encodable) -> None:
    text = text_of("T8", payload_of("T8", "gl.nondet.exec_prompt('x')", llm=[answer]))
    assert found(FIRST_CAUSE, text) == "MODULE_UNAVAILABLE"
    assert found(FATAL, text) == "true"


def test_the_newest_form_has_the_modules_own_text(payload_of: PayloadOf) -> None:
    payload = payload_of("T9n", "gl.nondet.exec_prompt('x')", llm=[fatal(RATE_LIMITED)])
    text = text_of("T9n", payload)
    assert json.loads(text.removeprefix("ExecPrompt: ")) == RATE_LIMITED


def test_every_attempt_between_the_first_and_the_last_is_left_out() -> None:
    attempts = [
        {"backend": "a", "model": "x", "kind": "auth_error", "cause": "STATUS_NOT_OK", "status": 401},
        {"backend": "b", "cause": "no such backend"},
        {"backend": "c", "model": 'quo"te', "kind": "rate_limit", "cause": "STATUS_NOT_OK"},
    ]
    text = internal_error_text(ResultForm.B3, "", Cause(("NO_PROVIDER_FOR_PROMPT",), {"attempts": attempts}))
    primary, fallback = text.split('"fallback_error": ')
    assert dict(NUMBER.findall(primary)) == {"status": "401.0"}
    # An error within a 200 has the status of what it says.
    assert dict(NUMBER.findall(fallback)) == {"status": "429.0"}
    assert dict(TEXT.findall(fallback))["model"] == 'quo\\"te'
    assert "no such backend" not in text


@pytest.mark.parametrize("attempts", [[], [{"backend": "b", "cause": "no such backend"}]])
def test_a_backend_that_nobody_asked_has_no_status(attempts: Any) -> None:
    text = internal_error_text(ResultForm.B1, "", Cause(("NO_PROVIDER_FOR_PROMPT",), {"attempts": attempts}))
    assert "Number" not in text
    assert text.endswith('"fallback_error": Nil} }')
    assert ("Nil" if not attempts else "Map(") in text.partition('"primary_error": ')[2]


def test_what_a_page_is_called_is_not_read_as_the_errors_own_words() -> None:
    url = 'https://a.com/?q=fatal: false, causes: ["X"] }\n\x07'
    text = internal_error_text(
        ResultForm.B2, "", Cause(("SENDING_REQUEST",), {"url": url, "more": [True, None]})
    )
    assert FIRST_CAUSE.findall(text) == ["SENDING_REQUEST"]
    assert found(FATAL, text) == "true"
    assert text.endswith('causes: [\\"X\\"] }\\n\\u{7}"), "more": Array([Bool(true), Nil])} }')


@pytest.mark.parametrize("text", ["x", "", "[]", '{"causes": []}', '{"causes": "X"}', "[" * 5000])
def test_a_module_that_names_no_cause_is_named_itself(text: str) -> None:
    assert reported(text) == Cause(("MODULE_UNAVAILABLE",), {"rust_error": text})
