#!/bin/sh
# Make .venv with the command installed, from the hash-pinned lock. Run by `make setup`; PYTHON names another one.
set -eu
cd "$(dirname "$0")/.."
. images/apt.sh

fit() {
    command -v "$1" > /dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
}

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if fit "$name"; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

can_make_venv() {
    "$1" -c 'import ensurepip, venv' > /dev/null 2>&1
}

python="$(find_python || true)"
if [ -z "$python" ] || ! can_make_venv "$python"; then
    if [ "$(id -u)" != 0 ] || ! has_apt; then
        echo "error: Python 3.11 or newer with its venv module is needed (Debian: apt-get install python3-venv)" >&2
        exit 1
    fi
    echo "installing python3-venv"
    apt_install python3 python3-venv
    python="$(find_python)" || {
        echo "error: this system's python3 is older than 3.11; install a newer one and set PYTHON" >&2
        exit 1
    }
fi

[ -x .venv/bin/python ] && .venv/bin/python -c '' 2> /dev/null || "$python" -m venv --clear .venv

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
# Two steps, because pip checks hashes for all or none of one command; the project itself has none.
install() {
    for pause in 2 10 30 0; do
        if .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" > "$log" 2>&1; then
            return 0
        fi
        [ "$pause" = 0 ] || sleep "$pause"
    done
    cat "$log" >&2
    return 1
}
install --require-hashes --only-binary :all: --requirement images/installer.lock
# forbiddenfruit exists as source only.
install --require-hashes --only-binary :all: --no-binary forbiddenfruit --requirement requirements-dev.lock
install --no-deps --no-build-isolation --editable .
