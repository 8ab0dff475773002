#!/bin/sh
# Prometheus's own tool, for the tests of examples/monitoring/: prints where it is. Of Debian's package only that
# one file is taken, into .venv/bin: installed as a package it would start a server.
set -eu
cd "$(dirname "$0")/.."
. images/apt.sh

for found in .venv/bin/promtool "$(command -v promtool || true)"; do
    if [ -n "$found" ] && [ -x "$found" ]; then
        echo "$found"
        exit 0
    fi
done
has_apt || {
    echo "error: promtool is missing: install Prometheus (Debian and Ubuntu: apt-get install prometheus)" >&2
    exit 1
}
fetched="$(mktemp -d)"
trap 'rm -rf "$fetched"' EXIT
chmod 755 "$fetched"
log="$fetched/log"
for pause in 2 10 30 0; do
    if (cd "$fetched" && apt-get download prometheus) > "$log" 2>&1; then
        break
    fi
    [ "$pause" = 0 ] && cat "$log" >&2 && exit 1
    sleep "$pause"
    [ "$(id -u)" != 0 ] || apt-get update > "$log" 2>&1 || true
done
dpkg-deb --fsys-tarfile "$fetched"/prometheus_*.deb | tar -x -C "$fetched" ./usr/bin/promtool
# Under a name of its own first: tests may look for it at the same time.
mv "$fetched/usr/bin/promtool" ".venv/bin/promtool.$$"
mv ".venv/bin/promtool.$$" .venv/bin/promtool
echo .venv/bin/promtool
