#!/bin/sh
# kubernetes 37.0.2 (the official client), kubernetes-asyncio 36.1.0 and lightkube 1.0.1 (PyPI): the version that a
# watch is resumed from is the one of the last object that came, however old.
#
# One would expect: a watch without a version tells of all Pods that there are and then of changes, and a client that
#   reopens it by itself when the server ends it in order, after half an hour or so, goes on where it was.
# What happens: a server tells of the Pods in an order of its own, not in that of their versions (here by name). Each
#   client keeps the version of the last one, which may be the oldest of all, and asks for the changes since then. The
#   server does not have them any more (410), and the watch ends with an error, although nothing is wrong and a newer
#   version had come before. The first two ask for the same version a second time before they say so.
# Why it matters here: Pods that wait for work do not change for hours, and such a watch breaks where it would first be
#   resumed. Ours begins with a list, whose own version is the point to go on from, and asks for bookmarks.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  kubernetes==37.0.2 kubernetes-asyncio==36.1.0 lightkube==1.0.1 lightkube-models==1.37.0.8
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from urllib.parse import parse_qs, urlsplit

import kubernetes
import kubernetes_asyncio
import lightkube
from lightkube.config.models import Cluster, User
from lightkube.resources.core_v1 import Pod

VERSIONS = {"a": 900, "b": 950, "c": 5}
OLDEST, NEWEST = 800, 950
asked = []


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
            "message": message}


class Server(BaseHTTPRequestHandler):
    """Each watch ends at once, as a real server's does later."""

    def do_GET(self):
        since = parse_qs(urlsplit(self.path).query).get("resourceVersion", [None])[0]
        asked.append(since)
        if since is None:
            said = [
                {"type": "ADDED", "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {
                    "name": name, "namespace": "default", "resourceVersion": str(number)}}}
                for name, number in sorted(VERSIONS.items())
            ]
        elif len(asked) > 9:  # they go on and on: the end of this script
            said = [{"type": "ERROR", "object": status(403, "Forbidden", "enough")}]
        elif int(since) < OLDEST:
            too_old = f"too old resource version: {since} ({OLDEST})"
            said = [{"type": "ERROR", "object": status(410, "Expired", too_old)}]
        else:
            said = []
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"".join(json.dumps(one).encode() + b"\n" for one in said))

    def log_message(self, *_):
        pass


def official(url):
    with kubernetes.client.ApiClient(kubernetes.client.Configuration(host=url)) as api:
        for event in kubernetes.watch.Watch().stream(kubernetes.client.CoreV1Api(api).list_namespaced_pod, "default"):
            yield event["object"].metadata.name


async def awaited(url, seen):
    configuration = kubernetes_asyncio.client.Configuration(host=url)
    async with kubernetes_asyncio.client.ApiClient(configuration) as api, kubernetes_asyncio.watch.Watch() as watching:
        pods = kubernetes_asyncio.client.CoreV1Api(api).list_namespaced_pod
        async for event in watching.stream(pods, "default"):
            seen.append(event["object"].metadata.name)


def light(url):
    configuration = lightkube.KubeConfig.from_one(cluster=Cluster(server=url), user=User())
    for _, pod in lightkube.Client(config=configuration, trust_env=False).watch(Pod, namespace="default"):
        yield pod.metadata.name


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
WAYS = {
    "kubernetes": lambda seen: seen.extend(official(url)),
    "kubernetes-asyncio": lambda seen: asyncio.run(awaited(url, seen)),
    "lightkube": lambda seen: seen.extend(light(url)),
}
EXPECTED = {"kubernetes": [None, "5", "5"], "kubernetes-asyncio": [None, "5", "5"], "lightkube": [None, "5"]}
print(f"Pods and their versions: {VERSIONS}; the server has the changes since {OLDEST}")
for name, way in WAYS.items():
    asked.clear()
    seen = []
    try:
        way(seen)
        end = None
    except Exception as error:
        code = getattr(error, "status", None)
        end = (type(error).__name__, getattr(code, "code", code))
    print(f"{name} {version(name)}: told of {seen}, asked for changes since {asked}, ended with {end}")
    assert seen == ["a", "b", "c"] and end is not None and end[1] == 410, "the watch goes on now"
    assert asked == EXPECTED[name], "it is resumed from another version now"
PYTHON
echo "as described: a version of 950 had come, and the watch was resumed from 5"
