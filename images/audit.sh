#!/bin/sh
# Whether a pinned Python package has a known vulnerability: asks PyPI's advisories. Run by `make audit`, and by CI on
# every change and each week. Arguments are the locks to look at; none: all of them. GENVM_ADVISORIES names a checkout
# of PyPA's advisory database that is taken instead (images/advisories.py).
# Exit code 1: there is one, or a package that nobody knows. 3: nothing was checked, because the advisories could not be reached.
set -eu
cd "$(dirname "$0")/.."

[ "$#" -gt 0 ] || set -- requirements.lock requirements-dev.lock images/*.lock images/*/requirements.lock

if [ -n "${GENVM_ADVISORIES:-}" ]; then
    exec .venv/bin/python -m images.advisories "$GENVM_ADVISORIES" "$@"
fi

# Mirrors serve packages without advisories, or with an empty list of them, and pip-audit then finds nothing wrong.
# So one version is asked about first that has one.
if ! why="$(python3 -c '
import json, sys, urllib.request
with urllib.request.urlopen("https://pypi.org/pypi/pip/23.2/json", timeout=30) as answer:
    known = json.load(answer).get("vulnerabilities") or []
if "PYSEC-2023-228" not in [one["id"] for one in known]:
    sys.exit("PYSEC-2023-228 of pip 23.2 is not among them")
' 2>&1)"; then
    printf '%s\n' "$why" | tail -n 1 >&2
    echo "not checked: the advisories of pypi.org cannot be had. Where there is a checkout of" \
        "github.com/pypa/advisory-database, GENVM_ADVISORIES=FOLDER takes that (docs/release.md)" >&2
    exit 3
fi

tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-audit==2.10.1

found=0
for lock in "$@"; do
    echo "$lock"
    # What a lock pins is looked at as it stands: nothing is resolved or installed, and nothing is skipped.
    "$tools/bin/pip-audit" --progress-spinner off --strict --disable-pip --require-hashes --requirement "$lock" || found=1
done
exit "$found"
