#!/bin/sh
# kubernetes-asyncio 36.1.0 (PyPI): its `Watch` does not look at the status of an answer, only at its lines.
#
# One would expect: a watch that the server refuses raises `ApiException` with the status, as a list that is refused
#   does, or waits as long as `Retry-After` says. What it yields are dictionaries with `type` and `object`.
# What happens: a refusal with a JSON body is raised. The API server's own refusal of too many requests is plain text,
#   and that text is yielded as an event, of type str; so is each line of a proxy's error page. One without a body is
#   nothing at all. After each the next request goes out at once, whatever `Retry-After` says (`timeout_seconds` was
#   not given, so that the watch is to go on).
# Why it matters here: a server that asks for rest would get one watch after the other from each manager, and the
#   follower of the Pods would take a proxy's HTML for changes. Ours looks at the status first and heeds `Retry-After`.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-asyncio==36.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from kubernetes_asyncio import client, watch

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "resourceVersion": "8"}}
FORBIDDEN = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
             "message": "enough"}
BUSY = (429, "text/plain; charset=utf-8", "Too many requests, please try again later.\n")
ANSWERS = [
    BUSY,  # to a list; the others are to a watch
    BUSY,
    BUSY,
    (503, "text/html", "<html>\n<h1>Service Unavailable</h1>\n</html>\n"),
    (503, "text/plain", ""),
    (503, "text/plain", ""),
    (200, "application/json", json.dumps({"type": "ADDED", "object": POD}) + "\n"),
    (403, "application/json", json.dumps(FORBIDDEN) + "\n"),
]
WAIT = 600
asked = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self):
        status, kind, body = ANSWERS[min(len(asked), len(ANSWERS) - 1)]
        asked.append((status, time.monotonic()))
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status in (429, 503):
            self.send_header("Retry-After", str(WAIT))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


async def main(url, seen):
    async with client.ApiClient(client.Configuration(host=url)) as api, watch.Watch() as watching:
        pods = client.CoreV1Api(api).list_namespaced_pod
        try:
            await pods("default")
        except client.ApiException as error:
            seen.append(error.status)
        try:
            async for event in watching.stream(pods, "default"):
                seen.append(event if isinstance(event, str) else event["type"])
        except client.ApiException as error:
            seen.append(error.status)


async def bounded(url):
    seen = []
    try:
        await asyncio.wait_for(main(url, seen), 60)
    except asyncio.TimeoutError:
        seen.append("waits")
    return seen


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = asyncio.run(bounded(f"http://127.0.0.1:{server.server_port}"))
statuses, times = zip(*asked)
page = ANSWERS[3][2].splitlines(keepends=True)
print("kubernetes-asyncio", version("kubernetes-asyncio"))
print("answered:", statuses)
print("raised by the list, yielded by the watch, and raised by it:", seen)
print(f"{len(asked)} requests in {times[-1] - times[0]:.2f} s, told to wait {WAIT} s after six of them")
assert seen == [429, BUSY[2], BUSY[2], *page, "ADDED", 403], "refusals are told otherwise now"
assert statuses == tuple(status for status, _, _ in ANSWERS), "the watch goes on otherwise now"
PYTHON
echo "as described: the text of a refusal is an event, and the next request goes out at once"
