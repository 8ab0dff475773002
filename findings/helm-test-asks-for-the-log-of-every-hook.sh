#!/bin/sh
# helm-python-sdk 0.2.2 (PyPI; Helm's own Go engine): `helm test` with `logs` fails where every test has passed.
#
# One would expect: the logs of the tests are those of the hooks that are Pods. A chart may bring a test's files along
#   in a ConfigMap that is a test hook too, so that it comes with the test.
# What happens: each test hook is taken for a Pod of the release's namespace, and its log is asked for. There is no Pod
#   of that name, so that the call fails, and the log of the Pod that there is has not even been asked for. The same
#   release passes without `logs`, and with them where the ConfigMap is an object of the release and no hook.
# Why it matters here: what our chart's test says is in its log, so `helm test --logs` is what the chart's page tells
#   to type. Its files are an object of the release for this reason alone.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check helm-python-sdk==0.2.2
mkdir -p "$folder/chart/templates"
printf 'apiVersion: v2\nname: chart\nversion: 0.1.0\n' > "$folder/chart/Chart.yaml"
cat > "$folder/chart/templates/test.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-files
  {{- if .Values.hook }}
  annotations: {helm.sh/hook: test}
  {{- end }}
data:
  try.py: print("all is well")
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations: {helm.sh/hook: test}
spec:
  restartPolicy: Never
  containers: [{name: try, image: python}]
YAML
cat > "$folder/cluster.py" <<'PYTHON'
"""As much of an API server as this needs: ConfigMaps, and Pods that succeed at once."""
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

KINDS = {"pods": "Pod", "configmaps": "ConfigMap"}
VERBS = ["create", "delete", "get", "list", "patch", "watch"]
FIXED = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": name, "kind": kind, "singularName": "", "namespaced": True, "verbs": VERBS}
        for name, kind in KINDS.items()
    ]},
    "/openapi/v3": {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}},
    "/openapi/v3/api/v1": {"openapi": "3.0.0", "info": {"title": "kinds", "version": "1"}, "paths": {
        f"/{kind}": {"patch": {
            "x-kubernetes-group-version-kind": {"group": "", "version": "v1", "kind": kind},
            "parameters": [{"name": "fieldValidation", "in": "query"}], "responses": {},
        }} for kind in KINDS.values()
    }},
}
versions, objects, logs_of = itertools.count(1), {}, []


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, *said):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(said[0], str) else "application/json")
        self.end_headers()
        for one in said:
            self.wfile.write((one if isinstance(one, str) else json.dumps(one)).encode() + b"\n")

    def serve(self):
        path, query = urlsplit(self.path)[2:4]
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        found = re.fullmatch(r"/api/v1/namespaces/default/(pods|configmaps)(?:/([^/]+)(/log)?)?", path)
        if path in FIXED:
            return self.answer(200, FIXED[path])
        resource, name, log = found.groups()
        kind, key = KINDS[resource], (resource, name)
        if log:
            logs_of.append(name)
        if self.command == "PATCH":
            version = str(next(versions))
            body["metadata"] |= {"namespace": "default", "uid": version, "resourceVersion": version}
            objects[key] = body | ({"status": {"phase": "Succeeded"}} if kind == "Pod" else {})
            return self.answer(201, objects[key])
        there = [one for (of, _), one in list(objects.items()) if of == resource]
        meta = {"resourceVersion": str(next(versions))}
        if "watch=true" in query:
            end = meta | {"annotations": {"k8s.io/initial-events-end": "true"}}
            mark = {"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": "v1", "metadata": end}}
            self.answer(200, *({"type": "ADDED", "object": one} for one in there), mark)
            threading.Event().wait(60)  # nothing changes while somebody watches
        elif name is None:
            self.answer(200, {"kind": kind + "List", "apiVersion": "v1", "items": there, "metadata": meta})
        elif key not in objects:
            said = {"message": f'{resource} "{name}" not found', "details": {"name": name, "kind": resource}}
            plain = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"}
            self.answer(404, plain | said)
        elif log:
            self.answer(200, "all is well")
        else:
            self.answer(200, objects.pop(key) if self.command == "DELETE" else objects[key])

    do_GET = do_PATCH = do_DELETE = serve

    def log_message(self, *_):
        pass


def started():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"
PYTHON
cat > "$folder/try.py" <<'PYTHON'
import json
import sys
from importlib.metadata import version

import cluster
from helm_python import Chart, Config, HelmError

place = {"name": "c", "cluster": {"server": cluster.started()}}
context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
known = {"clusters": [place], "contexts": [context], "users": [{"name": "u", "user": {}}], "current-context": "c"}
seen = []
with (
    Chart.load(sys.argv[1]) as chart,
    Config(kubeconfig_content=json.dumps(known), namespace="default", storage_driver="memory") as config,
):
    for name, hook in (("one", True), ("two", False)):
        config.install(chart, name, {"hook": hook}, namespace="default")
        for logs in (False, True):
            cluster.logs_of.clear()
            try:
                said = config.test(name, logs=logs, timeout=60).get("logs") or ""
            except HelmError as error:
                said = f"{error}"
            seen.append((hook, logs, said.strip(), list(cluster.logs_of)))
print("helm-python-sdk", version("helm-python-sdk"))
for line in seen:
    print("ConfigMap is a hook: {}, logs: {}: {!r}, asked for logs of {}".format(*line))
assert seen == [
    (True, False, "", []),
    (True, True, 'unable to get pod logs for one-files: pods "one-files" not found', ["one-files"]),
    (False, False, "", []),
    (False, True, "POD LOGS: two-test\nall is well", ["two-test"]),
], "helm test behaves otherwise now"
PYTHON
HOME="$folder" "$folder/venv/bin/python" "$folder/try.py" "$folder/chart"
echo "as described: a ConfigMap that is a test hook makes helm test with logs fail, though its tests have passed"
