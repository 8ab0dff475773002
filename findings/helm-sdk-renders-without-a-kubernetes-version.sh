#!/bin/sh
# helm-python-sdk 0.2.2 (PyPI; Helm's own Go engine in a Python package): `render` knows no Kubernetes version.
#
# One would expect: rendering a chart refuses what its `kubeVersion` excludes, as `helm template` does, and templates
#   see in `.Capabilities.KubeVersion` the version that `lint` of the same package can be told.
# What happens: `Chart.render` renders a chart whose `kubeVersion` no cluster of the world satisfies, without a word,
#   and takes no version to render for; templates see one that is built in.
# Why it matters here: a chart's promise of the versions it is for cannot be tested by rendering it. Our tests ask for
#   a dry-run install against a discovery document of each version instead.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check helm-python-sdk==0.2.2
mkdir -p "$folder/chart/templates"
cat > "$folder/chart/Chart.yaml" <<'YAML'
apiVersion: v2
name: chart
version: 0.1.0
kubeVersion: ">=99.0.0"
YAML
cat > "$folder/chart/templates/one.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata:
  name: one
data:
  version: {{ .Capabilities.KubeVersion.Version | quote }}
YAML
"$folder/venv/bin/python" - "$folder/chart" <<'PYTHON'
import inspect
import sys

from helm_python import Chart, HelmError

with Chart.load(sys.argv[1]) as chart:
    try:
        rendered = "".join(chart.render({}, name="one", namespace="default").values())
    except HelmError as refused:
        rendered = f"refused: {refused}"
    parameters = set(inspect.signature(chart.render).parameters)
version = next((line.split()[1] for line in rendered.splitlines() if line.strip().startswith("version:")), rendered)
print({"rendered for": version, "parameters": sorted(parameters)})
assert version.startswith('"v1.'), "the chart's kubeVersion counts now"
assert not any("kube" in name for name in parameters), "a version can be given now"
PYTHON
echo "as described: helm-python-sdk 0.2.2 renders a chart that is for no Kubernetes version there is"
