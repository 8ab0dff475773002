"""The routes, section by section (manager-api 1.3, 3), against a manager whose instances are scripted."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from genvm_wire.calldata import decode, encode
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultCode, RunResult, build
from orchestrator.contracts.vm_errors import DESCRIPTIONS, describe
from tests.integration.manager.conftest import Client, MakeClient, client, folder, listening_node, make_client

__all__ = ["client", "folder", "make_client"]

CODE = b'# v0.1.0\n# { "Depends": "py-genlayer:test" }\n'
AT = {"Deployment-Timestamp": "2025-06-01T12:00:00+02:00"}
RETURNED = build(RunResult(code=ResultCode.RETURN, data="hello"), ResultForm.C)
FATAL = build(RunResult(code=ResultCode.FATAL_VM_ERROR, data="timeout"), ResultForm.C)


async def ended(client: Client, generation: str, script: dict[str, Any], **changes: Any) -> Any:
    """The status of a run that has ended."""
    body = client.encoded(generation, script, **changes)
    async with listening_node(f"unix://{client.folder}/sock_{client.hosts}"):
        return await client.finished(await client.run(body))


# 1.3 and 3.6, 3.8: what is wrong with a request


@pytest.mark.parametrize(
    "path", ["/contract/detect-version", "/contract/pre-deploy-writes", "/genvm/run/readonly"]
)
async def test_a_missing_header_is_a_400_and_a_bad_time_a_500(client: Client, path: str) -> None:
    missing = await client.ask("POST", path, data=CODE)
    assert missing == (400, {"error": "missing Deployment-Timestamp header"})
    status, answer = await client.ask("POST", path, data=CODE, headers={"Deployment-Timestamp": "soon"})
    assert (status, "RFC 3339" in answer["error"]) == (500, True)


@pytest.mark.parametrize(
    "path",
    ["/genvm/1?wait=5", "/genvm/1?wait=", "/genvm/1/artifact?field=stdout", "/genvm/1/artifact?max_len=1",
     "/genvm/1/artifact?field=stdout&max_len=-1", "/vm-error/describe"],
)  # fmt: skip
async def test_a_bad_query_is_a_400(client: Client, path: str) -> None:
    status, answer = await client.ask("GET", path)
    assert (status, list(answer)) == (400, ["error"])


@pytest.mark.parametrize("path", ["/permits", "/log/level", "/env", "/vm-error/describe"])
async def test_a_body_that_is_no_json_is_a_400(client: Client, path: str) -> None:
    status, answer = await client.ask("POST", path, data=b"{")
    assert (status, list(answer)) == (400, ["error"])


# 3.4: the status of each generation


GENERAL = {"finished_at", "stdout", "stderr", "genvm_log"}
WITH_RESULT = GENERAL | {"metrics", "consumed_result", "version_major", "version_minor"}


@pytest.mark.parametrize(
    ("generation", "keys"),
    [
        ("A", GENERAL),
        ("B1", GENERAL),
        ("B2", WITH_RESULT),
        ("B3", WITH_RESULT),
        ("B4", WITH_RESULT),
        ("C", WITH_RESULT),
    ],
)
async def test_the_status_has_its_generation_s_keys(client: Client, generation: str, keys: set[str]) -> None:
    status = await ended(client, generation, {"result": RETURNED.hex()})
    assert set(status) & (WITH_RESULT - {"metrics"}) == keys - {"metrics"}
    assert abs(status["finished_at"] / 1000 - datetime.now(UTC).timestamp()) < 60


@pytest.mark.parametrize("generation", ["B2", "B3", "B4"])
async def test_a_result_is_a_list_of_integers(client: Client, generation: str) -> None:
    status = await ended(client, generation, {"result": RETURNED.hex()})
    assert bytes(status["consumed_result"]) == RETURNED
    assert (status["version_major"], status["version_minor"], status["metrics"]) == (0, 2, None)


async def test_a_result_is_base64_for_the_newest(client: Client) -> None:
    status = await ended(client, "C", {"result": RETURNED.hex()})
    assert base64.b64decode(status["consumed_result"], validate=True) == RETURNED


@pytest.mark.parametrize("generation", ["B2", "C"])
async def test_without_a_result_there_is_a_null(client: Client, generation: str) -> None:
    assert (await ended(client, generation, {"exit": 3}))["consumed_result"] is None


@pytest.mark.parametrize(("generation", "log"), [("A", None), ("B1", []), ("B3", [])])
async def test_a_log_that_was_not_captured(client: Client, generation: str, log: Any) -> None:
    script = {"print": "x", "log": [{"level": "info", "message": "m"}]}
    status = await ended(client, generation, script, capture_output=False)
    assert status["genvm_log"] == log


@pytest.mark.parametrize("generation", ["B4", "C"])
async def test_a_disabled_debug_mode_captures_nothing(client: Client, generation: str) -> None:
    script = {
        "log": [{"level": "info", "message": "m"}],
        "show_job": ["output_limit"],
        "result": RETURNED.hex(),
    }
    status = await ended(client, generation, script, debug_mode="disabled")
    assert status["genvm_log"] == []
    status = await ended(client, generation, script, debug_mode="safe")
    assert status["genvm_log"] == [{"level": "info", "message": "m"}]
    assert status["stdout"] == "[4194304]"


async def test_a_status_can_be_waited_for(client: Client) -> None:
    body = client.encoded("C", {"sleep": 3, "result": RETURNED.hex()})
    async with listening_node(f"unix://{client.folder}/sock_{client.hosts}"):
        run_id = await client.run(body)
        assert (await client.ask("GET", f"/genvm/{run_id}"))[1]["status"] is None
        assert (await client.ask("GET", f"/genvm/{run_id}?wait=10ms"))[1]["status"] is None
        waited = (await client.ask("GET", f"/genvm/{run_id}?wait=20s"))[1]["status"]
    assert waited["cause"] == "exited"


async def test_a_newest_run_that_failed_to_start_has_no_status(client: Client) -> None:
    status, answer = await client.ask("POST", "/genvm/run", data=client.encoded("C"))
    assert (status, "is gone" in answer["error"]) == (500, True)
    assert await client.status(1) is None


# host-protocol 8.3: results that contradict themselves


@pytest.mark.parametrize(
    "payload",
    [b"\x00", b"\x09\x06", b"\x00" + encode({"kind": "VmError"}), b"\x01\xff", b"\x00" + encode([1]),
     b"\x00" + encode({"kind": "Return", "data": 1, "execution_hash": b"", "small_hash": bytes(32)}),
     b"\x00" + encode({"kind": "Return", "data": 1, "execution_hash": bytes(32)})],
)  # fmt: skip
async def test_a_broken_result_is_not_published(client: Client, payload: bytes) -> None:
    status = await ended(client, "C", {"result": payload.hex()})
    assert (status["consumed_result"], status["cause"]) == (None, "protocol")


async def test_a_fatal_vm_error_becomes_a_plain_one(client: Client) -> None:
    status = await ended(client, "C", {"result": FATAL.hex()})
    published = base64.b64decode(status["consumed_result"])
    fields = decode(published[1:])
    assert (published[0], fields["kind"], fields["data"]) == (2, "VmError", "timeout")  # type: ignore[index, call-overload]


async def test_an_internal_error_needs_no_hashes(client: Client) -> None:
    payload = build(RunResult(code=ResultCode.INTERNAL_ERROR, data="oops"), ResultForm.C)
    status = await ended(client, "C", {"result": payload.hex()})
    assert base64.b64decode(status["consumed_result"]) == payload


# 3.5


async def test_delete_answers_for_queued_ended_and_unknown_runs(make_client: MakeClient) -> None:
    client = await make_client(permits=2)
    async with listening_node(f"unix://{client.folder}/sock_1"):
        holder = await client.run(client.encoded("B3", {"ignore": 0}, is_sync=False, no_modules=True))
        async with listening_node(f"unix://{client.folder}/sock_2"):
            other = await client.run(client.encoded("B3", {"ignore": 0}))
            queued = await client.run(client.encoded("B3"))
            for run_id in (queued, other, holder, holder):
                assert await client.delete(run_id, wait_timeout_ms=20) == {
                    "result": "shutdown_completed",
                    "genvm_id": run_id,
                }
    assert await client.delete(99) == {"error": "GenVM with id 99 not found", "genvm_id": 99}


# 3.6


async def test_artifacts_are_read_in_pieces_without_taking_them_away(client: Client) -> None:
    script = {"print": "héllo", "log": [{"level": "info", "message": "m"}], "result": RETURNED.hex()}
    body = client.encoded("C", script)
    async with listening_node(f"unix://{client.folder}/sock_{client.hosts}"):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        assert run is not None
        await run.released
    path = f"/genvm/{run_id}/artifact"
    for _ in range(2):
        status, answer = await client.ask("GET", f"{path}?field=stdout&offset=1&max_len=2")
        assert (status, answer) == (
            200,
            {
                "genvm_id": run_id,
                "field": "stdout",
                "total_len": 6,
                "data_base64": base64.b64encode("é".encode()).decode(),
            },
        )
    _, log = await client.ask("GET", f"{path}?field=genvm_log&max_len=4294967295")
    assert json.loads(base64.b64decode(log["data_base64"])) == {"level": "info", "message": "m"}
    assert base64.b64decode(log["data_base64"]).endswith(b"\n")
    _, past = await client.ask("GET", f"{path}?field=stderr&offset=99&max_len=1")
    assert (past["data_base64"], past["total_len"]) == ("", 0)
    assert await client.ask("GET", f"{path}?field=x&max_len=1") == (
        500,
        {"error": "unknown artifact field x"},
    )
    assert await client.status(run_id) is not None


async def test_an_artifact_of_a_run_that_has_not_ended_is_unknown(client: Client) -> None:
    async with listening_node(f"unix://{client.folder}/sock_1"):
        run_id = await client.run(client.encoded("C", {"ignore": 0}))
        for known in (run_id, 77):
            answer = await client.ask("GET", f"/genvm/{known}/artifact?field=stdout&max_len=1")
            assert answer == (500, {"error": "unknown_id"})
        await client.delete(run_id, wait_timeout_ms=0)


# 3.8, 3.9: what a contract's code tells. The manifest here has majors 0, 1 and 2.


@pytest.mark.parametrize(
    ("code", "major"),
    [
        (b'# { "Depends": "py-genlayer:test" }', 0),
        (b"# v1.2.3", 1),
        (b"# v9.0.0", 2),
        (b"# v2.0.0-rc1", 2),
        (b"# version two", 2),
        (b"print(1)", 2),
        (b"# \xff", 2),
        (b"\0asm\x01\0\0\0", 0),
        (b"", 2),
    ],
)
async def test_the_major_that_a_code_asks_for(client: Client, code: bytes, major: int) -> None:
    status, answer = await client.ask("POST", "/contract/detect-version", data=code, headers=AT)
    assert (status, answer["specified_major"]) == (200, major)


async def test_before_the_first_version_nothing_is_available(client: Client) -> None:
    early = {"Deployment-Timestamp": "2020-01-01T00:00:00Z"}
    answer = await client.ask("POST", "/contract/detect-version", data=CODE, headers=early)
    assert answer == (500, {"error": "no_executor_version_available"})


async def test_the_worked_pre_deploy_writes(client: Client) -> None:
    answer = await client.ask("POST", "/contract/pre-deploy-writes", data=CODE, headers=AT)
    assert answer == (
        200,
        {
            "writes": [
                ["4a4jQSeS32tqmPt8mDlwH7iwK2/H7QIoEPeDRklGhecAAAAA", "LQAAAA=="],
                [
                    "4a4jQSeS32tqmPt8mDlwH7iwK2/H7QIoEPeDRklGhecEAAAA",
                    "IyB2MC4xLjAKIyB7ICJEZXBlbmRzIjogInB5LWdlbmxheWVyOnRlc3QiIH0K",
                ],
            ]
        },
    )


async def test_other_majors_have_no_pre_deploy_writes(client: Client) -> None:
    answer = await client.ask("POST", "/contract/pre-deploy-writes", data=b"# v1.0.0\n", headers=AT)
    assert answer == (500, {"error": "only major version 0 is supported for now"})


# 3.7: the scripted instances of major 1 die before they are ready


async def test_a_contract_without_a_schema_is_a_500_that_says_why(client: Client) -> None:
    status, answer = await client.ask("POST", "/genvm/run/readonly", data=b"# v1.0.0\n", headers=AT)
    assert (status, list(answer)) == (500, ["error"])
    assert (await client.ask("GET", "/status"))[1]["executions"] == {}


# 3.10


@pytest.mark.parametrize("level", ["TRACE", "Debug", "info", "WARN", "warning", "error"])
async def test_a_log_level_is_echoed_in_lower_case(client: Client, level: str) -> None:
    try:
        answer = await client.ask("POST", "/log/level", json={"level": level})
        assert answer == (200, {"result": "log_level_set", "level": level.lower()})
    finally:
        await client.ask("POST", "/log/level", json={"level": "info"})


@pytest.mark.parametrize("body", [{"level": "loud"}, {"level": 1}, {}, []])
async def test_an_invalid_log_level(client: Client, body: Any) -> None:
    assert await client.ask("POST", "/log/level", json=body) == (500, {"error": "invalid log level"})


# 3.11


async def test_a_manifest_is_taken_anew_and_a_broken_one_changes_nothing(client: Client) -> None:
    manifest = client.folder / "manifest.yaml"
    late = {"Deployment-Timestamp": "2030-01-01T00:00:00Z"}
    manifest.write_text("executor_versions:\n  v7.0.0: {available_after: 2024-01-01T00:00:00Z}\n")
    assert await client.ask("POST", "/manifest/reload", data=b"ignored") == (
        200,
        {"result": "manifest_reloaded"},
    )
    assert (await client.ask("POST", "/contract/detect-version", data=b"# v9.0.0", headers=late))[1] == {
        "specified_major": 7
    }
    manifest.write_text("executor_versions:\n  v8.0.0: {available_after: never}\n")
    status, answer = await client.ask("POST", "/manifest/reload")
    assert (status, "v8.0.0.available_after" in answer["error"]) == (500, True)
    manifest.unlink()
    status, answer = await client.ask("POST", "/manifest/reload")
    assert (status, answer["error"].startswith("Failed to read manifest file: ")) == (500, True)
    assert (await client.ask("POST", "/contract/detect-version", data=b"# v9.0.0", headers=late))[1] == {
        "specified_major": 7
    }


# 3.12


async def test_an_environment_value_is_set_and_never_shown(client: Client) -> None:
    answer = await client.ask("POST", "/env", json={"key": "K", "value": "s3cret"})
    assert answer == (200, {"result": "env_var_set", "key": "K"})


@pytest.mark.parametrize(
    ("body", "error"),
    [({"key": 1, "value": "x"}, "invalid env var key"), ({"key": "K"}, "invalid env var value"),
     ({"key": "K", "value": 5}, "invalid env var value"), ([], "invalid env var key")],
)  # fmt: skip
async def test_an_environment_value_is_text(client: Client, body: Any, error: str) -> None:
    assert await client.ask("POST", "/env", json=body) == (500, {"error": error})


# 3.13


@pytest.mark.parametrize("value", [-1, 1.5, "8", None, 2**64, True])
async def test_permits_that_are_no_number(client: Client, value: Any) -> None:
    assert await client.ask("POST", "/permits", json={"permits": value}) == (
        500,
        {"error": "invalid permits"},
    )


# 3.15


@pytest.mark.parametrize(
    ("error", "same_as"),
    [
        ("exit_code 1", "exit_code"),
        ("wasm_trap Unreachable", "wasm_trap"),
        ("invalid_contract not_utf8_text", "invalid_contract not_utf8_text"),
        ("invalid_contract absent_runner_comment", "invalid_contract runner absent"),
        ("invalid_contract anything else", "invalid_contract"),
        ("OOM storage", "out_of storage"),
        ("OOM", "out_of memory"),
        ("out_of receipt nondet_output", "out_of receipt"),
        ("timeout # after 20 minutes", "timeout"),
        ("leader_fault nondet_output extra abcdef", "leader_fault nondet_output extra"),
    ],
)
async def test_a_vm_error_is_described(client: Client, error: str, same_as: str) -> None:
    expected = (200, {"description": DESCRIPTIONS[same_as]})
    assert await client.ask("GET", "/vm-error/describe", params={"error": error}) == expected
    body = {"error": error, "major": 0, "minor": 2}
    assert await client.ask("POST", "/vm-error/describe", json=body) == expected


@pytest.mark.parametrize("error", ["", "exit_codes", "wasm_trapped", "unknown thing", "out_offds"])
def test_a_code_is_matched_by_whole_words(error: str) -> None:
    assert describe(error) is None


# 2: the endpoint matrix; the union of all generations' rows is served


MATRIX = """
GET /status
POST /module/start
POST /module/stop
POST /module/restart
POST /genvm/run
POST /genvm/run/readonly
GET /genvm/{genvm_id}
DELETE /genvm/{genvm_id}
GET /genvm/{genvm_id}/artifact
POST /contract/detect-version
POST /contract/pre-deploy-writes
POST /log/level
POST /manifest/reload
POST /env
GET /permits
POST /permits
POST /llm/check
POST /vm-error/describe
GET /vm-error/describe
GET /ws
""".strip().splitlines()


async def test_every_row_of_the_matrix_is_served(client: Client) -> None:
    routes = client.manager.app.router.routes()
    assert set(MATRIX) <= {f"{route.method} {route.resource.canonical}" for route in routes if route.resource}


# 1.3 and 3.5: the requests that the first clients' documentation shows, verbatim


async def test_the_documented_requests_work_as_they_stand(client: Client) -> None:
    run = (
        '{"major":0,"message":{"is_init":false,"contract_address":"AAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        '"sender_address":"AAAAAAAAAAAAAAAAAAAAAAAAAAA=","origin_address":"AAAAAAAAAAAAAAAAAAAAAAAAAAA=",'
        '"value":null,"chain_id":"0"},"is_sync":false,"capture_output":true,'
        '"host_data":"{\\"node_address\\":\\"0x\\", \\"tx_id\\":\\"0x\\"}","max_execution_minutes":20,'
        '"timestamp":"2024-11-26T06:42:42.424242Z","host":"unix:///dir/sock_0","extra_args":["--debug-mode"]}'
    )
    requests: list[tuple[str, str, str | None]] = [
        ("GET", "/status", None),
        ("POST", "/genvm/run", run),
        ("GET", "/genvm/1", None),
        ("DELETE", "/genvm/1?wait_timeout_ms=20", None),
        ("POST", "/log/level", '{"level": "debug"}'),
        ("POST", "/log/level", '{"level": "info"}'),
        ("POST", "/env", '{"key": "OPENAIKEY", "value": "sk-1"}'),
        ("GET", "/permits", None),
        ("POST", "/permits", '{"permits": 16}'),
        ("POST", "/manifest/reload", "{}"),
        ("POST", "/llm/check", '{"configs": [], "test_prompts": []}'),
        ("POST", "/module/stop", '{"module_type": "llm"}'),
        ("POST", "/module/stop", '{"module_type": "Web"}'),
        ("GET", "/vm-error/describe?error=timeout", None),
        ("POST", "/vm-error/describe", '{"error": "OOM", "major": 0, "minor": 2}'),
    ]
    for method, path, body in requests:
        status, answer = await client.ask(method, path, data=body)
        assert status == 200, (path, answer)
