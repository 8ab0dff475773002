"""The pytest plugin: fixtures for tests of contracts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from genvm_wire.address import Address
from orchestrator.logs import configure_logs
from orchestrator.runtime_name import HERE, RuntimeName
from orchestrator.settings import LogFormat
from orchestrator.testing.answering import Answering
from orchestrator.testing.chain import Chain
from orchestrator.testing.mocks import Pages, Prompts
from orchestrator.testing.recording import Recording
from orchestrator.testing.session import Session

ACCOUNTS = 10
LONGEST_RUN = 60.0
LONGEST_RECORDING = 600.0
"""Seconds: real models take their time."""
LONGEST_NAME = 100
"""Characters of a recording's name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("genvm", "contracts on real instances")
    group.addoption(
        "--genvm-runtime",
        choices=HERE,
        default=RuntimeName.PROCESS.value,
        help="where contracts run: process needs no container engine and does not isolate (default)",
    )

    group.addoption(
        "--genvm-run-limit",
        type=float,
        metavar="SECONDS",
        help=f"the longest that one call may take (default {LONGEST_RUN:g}, recording {LONGEST_RECORDING:g})",
    )
    group.addoption(
        "--genvm-record",
        action="store_true",
        help="ask real modules what no mock answers, and keep it in recordings/ beside the test",
    )


def pytest_report_header(config: pytest.Config) -> str:
    name = config.getoption("--genvm-runtime")
    return f"genvm: runtime {name}" + (", which does not isolate" if name == RuntimeName.PROCESS else "")


@pytest.fixture(scope="session")
def genvm_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The manager and its warm instances, once for all tests."""
    configure_logs("error", LogFormat.TEXT)
    name = RuntimeName(pytestconfig.getoption("--genvm-runtime"))
    record = bool(pytestconfig.getoption("--genvm-record"))
    limit = pytestconfig.getoption("--genvm-run-limit") or (LONGEST_RECORDING if record else LONGEST_RUN)
    session = Session(name, Answering(), limit, record=record)
    session.open()
    yield session
    session.close()


@pytest.fixture
def chain(genvm_session: Session, request: pytest.FixtureRequest, accounts: list[Address]) -> Iterator[Chain]:
    """An empty chain; files are looked for beside the test."""
    writes = bool(request.config.getoption("--genvm-record"))
    recording = Recording(_recording_file(request), writes=writes)
    genvm_session.answering.begin(recording)
    opened = Chain(genvm_session, request.path.parent, accounts)
    yield opened
    opened.close()
    recording.save()


def _recording_file(request: pytest.FixtureRequest) -> Path:
    name = f"{request.path.stem}.{recording_name(request.node.nodeid)}.json"
    return request.path.parent / "recordings" / name


def recording_name(nodeid: str) -> str:
    """Of a test in its file: each has its own, whatever letters are in it."""
    named = nodeid.partition("::")[2].replace("::", ".")
    name = re.sub(r"[^\w.-]+", "-", named).strip("-")
    if len(name) > LONGEST_NAME or re.search(r"[^\w.\[\]-]", named):
        name = f"{name[:LONGEST_NAME]}-{sha256(named.encode()).hexdigest()[:8]}"
    return name


@pytest.fixture
def accounts() -> list[Address]:
    """Ten accounts that own enough; the first sends where no sender is named."""
    return [Address(bytes([0xA0 + number]) * 20) for number in range(ACCOUNTS)]


@pytest.fixture
def prompts(genvm_session: Session, chain: Chain) -> Prompts:
    """What a language model answers: `prompts.mock("*weather*", "sunny")`."""
    del chain
    return genvm_session.answering.prompts


@pytest.fixture
def pages(genvm_session: Session, chain: Chain) -> Pages:
    """What the web answers: `pages.mock("https://example.org/*", "text")`."""
    del chain
    return genvm_session.answering.pages
