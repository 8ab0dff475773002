"""Which calls of the engine's API the filter makes for a manager."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.engine_filter.cli import repository
from orchestrator.engine_filter.exchange import Call, Refusal, parse_head, split_target
from orchestrator.engine_filter.place import Place
from orchestrator.engine_filter.rules import judged, with_container

PLACE = Place(Path("/state"), frozenset({"genvm-executor", "registry:5000/genvm/web"}), frozenset({"studio"}))
OURS = json.dumps({"label": ["io.genvm.orchestrator.managed-by=0123456789ab"]})
NETWORK = {
    "Name": "genvm-1-modules",
    "Driver": "bridge",
    "Options": {"com.docker.network.bridge.enable_icc": "false"},
    "CheckDuplicate": True,
    "Labels": {},
}


def call(method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Call:
    return Call(method, path, query or {}, body, "/v1.41")


MADE = {
    "version": call("GET", "/version"),
    "ping": call("GET", "/_ping"),
    "info": call("GET", "/info"),
    "events of ours": call("GET", "/events", {"filters": OURS, "since": "1"}),
    "our containers": call("GET", "/containers/json", {"filters": OURS, "all": "1", "limit": "-1"}),
    "the same as newer clients say it": call(
        "GET", "/containers/json", {"filters": '{"label":{"io.genvm.orchestrator.managed-by=1":true}}'}
    ),
    "inspect": call("GET", "/containers/genvm-1-run-7/json"),
    "logs": call("GET", "/containers/abc/logs", {"stdout": "1", "stderr": "1", "tail": "20"}),
    "start": call("POST", "/containers/abc/start"),
    "kill": call("POST", "/containers/abc/kill", {"signal": "SIGKILL"}),
    "wait": call("POST", "/containers/abc/wait", {"condition": "removed"}),
    "remove": call("DELETE", "/containers/abc", {"v": "True", "link": "False", "force": "True"}),
    "an image": call("GET", "/images/genvm-executor:latest/json"),
    "an image of a registry": call("GET", "/images/registry:5000/genvm/web@sha256:00/json"),
    "the engine's bridge": call("GET", "/networks/bridge"),
    "the modules' network": call("GET", "/networks/genvm-1-modules"),
    "the operator's": call("GET", "/networks/studio"),
    "a network": call("POST", "/networks/create", None, NETWORK),
    "a network away": call("DELETE", "/networks/genvm-1-modules"),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
def test_a_manager_calls_what_it_needs(made: Call) -> None:
    assert judged(made, PLACE).call == made


REFUSED = {
    "everybody's containers": call("GET", "/containers/json", {"all": "1"}),
    "containers by another label": call("GET", "/containers/json", {"filters": '{"label":["x=y"]}'}),
    "containers by an image's label": call(
        "GET", "/containers/json", {"filters": '{"label":["io.genvm.orchestrator.image.stage=x"]}'}
    ),
    "containers by a label that is a number": call("GET", "/containers/json", {"filters": '{"label":1}'}),
    "containers by a filter that is none": call("GET", "/containers/json", {"filters": "x"}),
    "everybody's events": call("GET", "/events"),
    "an engine's parameter of later": call("POST", "/containers/abc/start", {"checkpoint": "x"}),
    "detach keys": call("POST", "/containers/abc/start", {"detachKeys": "x"}),
    "a body at the start": call("POST", "/containers/abc/start", None, {"Privileged": True}),
    "a program in a container": call("POST", "/containers/abc/exec", None, {"Cmd": ["sh"]}),
    "its start": call("POST", "/exec/abc/start", None, {}),
    "attach": call("POST", "/containers/abc/attach", {"stream": "1"}),
    "files out": call("GET", "/containers/abc/archive", {"path": "/"}),
    "files in": call("PUT", "/containers/abc/archive", {"path": "/"}),
    "update": call("POST", "/containers/abc/update", None, {"PidsLimit": -1}),
    "rename": call("POST", "/containers/abc/rename", {"name": "genvm-x"}),
    "commit": call("POST", "/commit", {"container": "abc"}),
    "prune": call("POST", "/containers/prune"),
    "pull": call("POST", "/images/create", {"fromImage": "alpine"}),
    "build": call("POST", "/build"),
    "load": call("POST", "/images/load"),
    "tag": call("POST", "/images/genvm-executor/tag", {"repo": "genvm-executor"}),
    "remove an image": call("DELETE", "/images/genvm-executor"),
    "another image": call("GET", "/images/postgres:17/json"),
    "another image below one of ours": call("GET", "/images/genvm-executor/../alpine/json"),
    "another image behind one of ours": call("GET", "/images/genvm-executor@/../alpine/json"),
    "a container behind an image": call("GET", "/images/genvm-executor@/../../containers/postgres/json"),
    "a container behind a tag": call("GET", "/images/genvm-executor:../../containers/postgres/json"),
    "volumes": call("POST", "/volumes/create", None, {"DriverOpts": {"device": "/"}}),
    "swarm": call("POST", "/swarm/init", None, {}),
    "plugins": call("POST", "/plugins/pull"),
    "secrets": call("GET", "/secrets"),
    "another's network": call("GET", "/networks/other"),
    "the engine's bridge away": call("DELETE", "/networks/bridge"),
    "the operator's away": call("DELETE", "/networks/studio"),
    "a network with an address": call("POST", "/networks/create", None, NETWORK | {"IPAM": {"Config": [{}]}}),
    "a network of the machine's card": call(
        "POST", "/networks/create", None, NETWORK | {"Driver": "macvlan"}
    ),
    "a network of another name": call("POST", "/networks/create", None, NETWORK | {"Name": "x"}),
    "a network on the machine's bridge": call(
        "POST", "/networks/create", None, NETWORK | {"Options": {"com.docker.network.bridge.name": "docker0"}}
    ),
    "joining a network": call("POST", "/networks/genvm-1-modules/connect", None, {"Container": "other"}),
    "another method": call("PUT", "/containers/abc/start"),
    "a path in a path": call("GET", "/containers/abc/../../info/json"),
    "create without a name": call("POST", "/containers/create", None, {"Image": "genvm-executor"}),
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_every_other_call_is_refused(made: Call) -> None:
    with pytest.raises(Refusal) as refused:
        judged(made, PLACE)
    assert refused.value.status == 403


def test_a_container_is_spoken_of_by_its_id() -> None:
    made = call("POST", "/containers/genvm-1-x/kill", {"signal": "SIGKILL"})
    assert judged(made, PLACE).container == "genvm-1-x"
    assert with_container(made, "genvm-1-x", "f" * 64).path == f"/containers/{'f' * 64}/kill"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1.41/info", ("/v1.41", "/info", {})),
        ("/info", ("", "/info", {})),
        ("/v1.41/containers/a%2Fb/json?all=1", ("/v1.41", "/containers/a/b/json", {"all": "1"})),
        ("/v1/v1.41/info", ("/v1", "/v1.41/info", {})),
    ],
)
def test_a_target_is_taken_apart_once(target: str, expected: object) -> None:
    assert split_target(target) == expected


@pytest.mark.parametrize(
    "target", ["info", "http://engine/info", "//other/info", "/in\tfo", "/%00", "/info?a=1&a=2", "/%C3%BC"]
)
def test_a_target_that_can_be_read_in_two_ways_is_refused(target: str) -> None:
    with pytest.raises(Refusal):
        split_target(target)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /info\r\n\r\n",
        b"GET  /info HTTP/1.1\r\n\r\n",
        b"GET /info HTTP/1.0\r\n\r\n",
        b"GET /info HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n",
        b"GET /info HTTP/1.1\r\nno header\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with pytest.raises(Refusal):
        parse_head(head)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("genvm-llm:latest", "genvm-llm"),
        ("genvm-llm", "genvm-llm"),
        ("registry:5000/a/b", "registry:5000/a/b"),
        ("registry:5000/a/b:c@sha256:00", "registry:5000/a/b"),
    ],
)
def test_a_repository_is_an_image_without_its_tag(reference: str, expected: str) -> None:
    assert repository(reference) == expected
