#!/bin/sh
# Whether a pinned Python package has a known vulnerability: asks PyPI's advisories. Run by `make audit`, and by CI on
# every change and each week. Arguments are the locks to look at; none: all of them.
# Exit code 1: there is one, or a package that nobody knows. 3: nothing was checked, because the advisories could not be reached.
set -eu
cd "$(dirname "$0")/.."

[ "$#" -gt 0 ] || set -- requirements.lock requirements-dev.lock images/*.lock images/*/requirements.lock

tools="$(mktemp -d)"
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-audit==2.10.1

# Mirrors serve packages without advisories, and pip-audit then finds nothing wrong: one answer is looked at first.
pip="$(sed -n 's/^pip==\([^ ]*\).*/\1/p' images/installer.lock)"
if ! "$tools/bin/python" -c '
import json, sys, urllib.request
with urllib.request.urlopen(f"https://pypi.org/pypi/pip/{sys.argv[1]}/json", timeout=30) as answer:
    json.load(answer)["vulnerabilities"]
' "$pip" 2> "$tools/why"; then
    tail -n 1 "$tools/why" >&2
    echo "not checked: the advisories of pypi.org cannot be reached, and no database of them is kept here" >&2
    exit 3
fi

found=0
for lock in "$@"; do
    echo "$lock"
    # What a lock pins is looked at as it stands: nothing is resolved or installed, and nothing is skipped.
    "$tools/bin/pip-audit" --progress-spinner off --strict --disable-pip --require-hashes --requirement "$lock" || found=1
done
exit "$found"
