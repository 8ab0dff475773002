#!/bin/sh
# docker 7.2.0 (PyPI, the Docker SDK): what a credential helper does wrong is no DockerException.
#
# One would expect: everything the SDK raises about the user's client configuration is below `docker.errors.DockerException`,
#   which its own documentation calls the base of all its errors, so that one `except` around a client is enough.
# What happens: a helper that `config.json` names and that is not installed raises `StoreError`, whose root is
#   RuntimeError. It is raised by looking credentials up, which a build without any registry does too.
# Why it matters here: machines that once had Docker Desktop keep `"credsStore": "desktop"`. `images build` and `doctor`
#   must say that in one line instead of showing a traceback.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check docker==7.2.0
printf '{"credsStore": "not-installed-here"}' > "$folder/config.json"
"$folder/venv/bin/python" - "$folder/config.json" <<'PYTHON'
import sys

import docker
from docker import auth
from docker.errors import DockerException

configuration = auth.load_config(sys.argv[1])
try:
    configuration.get_all_credentials()
except Exception as error:
    seen = (type(error).__name__, isinstance(error, DockerException), isinstance(error, RuntimeError))
else:
    seen = ("nothing", False, False)
print(f"docker {docker.__version__}", seen)
assert seen == ("StoreError", False, True), "the SDK behaves otherwise now"
PYTHON
echo "as described: the error is no DockerException"
