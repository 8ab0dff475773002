#!/bin/sh
# Make sure that a container engine answers, starting or installing one where that can be done unattended.
# Run by `make engine`. A docker command without an engine behind it counts for nothing: the engine is asked.
set -eu
cd "$(dirname "$0")/.."
. images/apt.sh

LOG="${GENVM_ENGINE_LOG:-/var/log/genvm-dockerd.log}"
PID=/run/docker.pid

# Asked the way the product asks, DOCKER_HOST and all.
answers() {
    .venv/bin/python -c 'import docker; docker.from_env(timeout=5).ping()' > /dev/null 2>&1
}

# The engine that somebody else started is on its way up.
starting() {
    [ -f "$PID" ] && [ "$(cat "/proc/$(cat "$PID")/comm" 2> /dev/null)" = dockerd ]
}

wait_for_answer() {
    tries=0
    until answers; do
        tries=$((tries + 1))
        [ "$tries" -lt "$1" ] || return 1
        sleep 1
    done
}

stop_with() {
    echo "error: $*" >&2
    exit 1
}

if answers; then
    exit 0
fi
[ -z "${DOCKER_HOST:-}" ] || stop_with "DOCKER_HOST is set to $DOCKER_HOST and no engine answers there"
if [ -S /var/run/docker.sock ] && [ ! -w /var/run/docker.sock ]; then
    stop_with "/var/run/docker.sock is not yours: run as root, or join the group docker and log in again"
fi
[ "$(uname -s)" = Linux ] || stop_with "no container engine answers: start Docker Desktop or set DOCKER_HOST"
[ "$(id -u)" = 0 ] || stop_with "no container engine answers: start Docker (20.10 or newer), or run as root once"

if ! command -v dockerd > /dev/null 2>&1; then
    has_apt || stop_with "no container engine is installed: install Docker 20.10 or newer and start it"
    echo "installing docker.io"
    packages="docker.io iptables ca-certificates"
    # Where the kernel has AppArmor, no container starts without its parser, which is only recommended.
    [ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" != Y ] || packages="$packages apparmor"
    # shellcheck disable=SC2086
    apt_install $packages
    # The package starts it by itself where systemd or sysvinit run.
    wait_for_answer 4 && exit 0
fi

if starting && wait_for_answer 30; then
    exit 0
fi
if [ -d /run/systemd/system ] && systemctl start docker > /dev/null 2>&1 && wait_for_answer 30; then
    exit 0
fi

# Nobody mounts control groups where no init system runs.
if ! grep -q ' cgroup2\{0,1\} ' /proc/mounts && has_apt; then
    apt_install cgroupfs-mount
    cgroupfs-mount
fi

echo "starting dockerd (log: $LOG)"
# The id of an engine that died with its machine would stop the next one from starting.
starting || rm -f "$PID"
setsid dockerd --pidfile "$PID" > "$LOG" 2>&1 < /dev/null &
if ! wait_for_answer 60; then
    tail -n 20 "$LOG" >&2
    stop_with "dockerd did not come up within 60 s; its log is $LOG"
fi
