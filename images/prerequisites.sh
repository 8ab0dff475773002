#!/bin/sh
# What building the images takes besides an engine: debootstrap, for when no base image can be pulled.
# With the argument `test`: what the tests take besides: PostgreSQL, a compose command, a browser, a shell, and programs
# that are not installed but unpacked.
set -eu
cd "$(dirname "$0")/.."
. images/apt.sh

PATH="$PATH:/usr/sbin:/sbin"
missing=""
if ! command -v debootstrap > /dev/null 2>&1; then
    missing="debootstrap"
    [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
fi
if [ "${1:-}" = test ] && ! ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then
    missing="$missing postgresql"
    # The tests start servers of their own: Debian's default cluster would only run beside them.
    if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
    fi
fi
if [ "${1:-}" = test ] && ! docker compose version > /dev/null 2>&1 && ! command -v docker-compose > /dev/null 2>&1; then
    missing="$missing docker-compose"
fi
if [ "${1:-}" = test ] && ! command -v zsh > /dev/null 2>&1; then
    missing="$missing zsh"
fi
# The web module's tests drive the browser that its image has.
if [ "${1:-}" = test ] && ! command -v chromium > /dev/null 2>&1; then
    missing="$missing chromium"
fi
if [ "${1:-}" = test ] && has_apt; then
    for program in haproxy fish promtool; do
        # A test that misses one says so.
        images/unpacked.sh "$program" > /dev/null || true
    done
fi
if [ -z "$missing" ] || [ "$(id -u)" != 0 ] || ! has_apt; then
    # Elsewhere the base image is pulled; whatever else is missing says so when it is needed.
    exit 0
fi
echo "installing $missing"
# shellcheck disable=SC2086
apt_install $missing
