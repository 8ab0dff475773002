"""What the Docker SDK raises, and what the port says then."""

from __future__ import annotations

import docker.errors
import pytest
import requests
import urllib3.exceptions

from orchestrator.runtime.docker.engine import EngineConflict, EngineNotFound, translate
from orchestrator.runtime.port import EngineRefused, EngineUnreachable


def answered(status: int) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("no", response=response, explanation="because")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered(400), EngineRefused),
        (answered(404), EngineNotFound),
        (answered(409), EngineConflict),
        (answered(500), EngineRefused),
        (answered(503), EngineUnreachable),
        (requests.exceptions.ConnectionError("gone"), EngineUnreachable),
        (requests.exceptions.ReadTimeout("slow"), EngineUnreachable),
        (urllib3.exceptions.ProtocolError("cut"), EngineUnreachable),
        (ConnectionResetError("cut"), EngineUnreachable),
        (docker.errors.InvalidVersion("old"), EngineRefused),
    ],
)
def test_translation(error: Exception, kind: type[Exception]) -> None:
    assert type(translate(error)) is kind


def test_a_refusal_says_why() -> None:
    assert str(translate(answered(500))) == "because"
