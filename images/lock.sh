#!/bin/sh
# Pin every Python package of the project by version and hash, for all platforms. Run by `make lock`.
# Index addresses are left out of the locks: whoever installs uses the index that pip is set up with.
set -eu
cd "$(dirname "$0")/.."

tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet uv

pin() {
    target="$1"
    shift
    "$tools/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header --output-file "$target" "$@"
}

pin requirements.lock pyproject.toml --extra fast --extra traces
pin requirements-dev.lock pyproject.toml requirements-build.in \
    --extra dev --extra executor --extra web --extra fast --extra bench --extra traces --extra docs --extra release
pin images/executor/requirements.lock images/executor/requirements.in
pin images/llm/requirements.lock images/llm/requirements.in
pin images/web/requirements.lock images/web/requirements.in
pin images/installer.lock images/installer.in
