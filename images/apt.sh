# shellcheck shell=sh
# apt, quiet unless it fails, with retries: sourced by the scripts that install what a fresh machine lacks.

has_apt() {
    command -v apt-get > /dev/null 2>&1
}

# apt_install PACKAGE...: install what is missing of these; needs root.
apt_install() {
    log="$(mktemp)"
    for pause in 2 10 30 0; do
        if DEBIAN_FRONTEND=noninteractive apt-get update > "$log" 2>&1 \
            && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
                -o DPkg::Lock::Timeout=120 "$@" >> "$log" 2>&1; then
            rm -f "$log"
            return 0
        fi
        [ "$pause" = 0 ] || sleep "$pause"
    done
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "error: apt-get could not install: $*" >&2
    return 1
}
