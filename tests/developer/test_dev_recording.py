"""Answers of a real module are recorded once, and had again when it is gone."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.developer.test_dev_session import EXAMPLES, environment

LIGHT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
TEST = f"""
def test_a_claim_is_judged(chain, pages):
    pages.mock("https://rates.example/*", "One euro is 1.08 dollars.")
    judge = chain.deploy({str(EXAMPLES / "judge.py")!r})
    assert judge.call("judge", "https://rates.example/today", "a euro is a dollar") == "no"
"""


class Model(BaseHTTPRequestHandler):
    """Stands in for a language model; `asked` counts."""

    asked: list[str]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(request["messages"][-1]["content"])
        message = {"role": "assistant", "content": '{"verdict": "no"}'}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {"object": "chat.completion", "choices": [{"index": 0, "message": message}], "usage": usage}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def model(asked: list[str]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Asked", (Model,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run_tests(compiled: str, folder: Path, *words: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "orchestrator", "test", "--json", *words, str(folder)],
        cwd=folder,
        env=environment(compiled) | {"GENVM_LLM_CONFIG": str(folder / "llm.yaml"), **LIGHT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def test_recorded_once_replayed_without(compiled: str, tmp_path: Path) -> None:
    (tmp_path / "test_claim.py").write_text(TEST)
    asked: list[str] = []
    with model(asked) as address:
        backend = {
            "provider": "openai-compatible",
            "host": address,
            "key": "a key",
            "models": {"stand-in": {"supports_json": True}},
        }
        (tmp_path / "llm.yaml").write_text(json.dumps({"backends": {"stand-in": backend}}))
        recorded = run_tests(compiled, tmp_path, "--record")
    assert (recorded["passed"], recorded["failed"]) == (1, 0), recorded
    assert len(asked) == 1
    assert "1.08 dollars" in asked[0]
    (file,) = (tmp_path / "recordings").iterdir()
    (entry,) = json.loads(file.read_text())
    assert entry["node"] == "leader"
    assert "a key" not in file.read_text()
    replayed = run_tests(compiled, tmp_path)
    assert (replayed["passed"], replayed["failed"]) == (1, 0), replayed
