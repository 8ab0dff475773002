#!/bin/sh
# A program of a Debian package, for tests: prints where it is. Where the machine has none, the package and the
# libraries that it needs are unpacked below .venv and not installed: installed, prometheus and haproxy would start
# servers, now and with the machine.
set -eu
cd "$(dirname "$0")/.."
. images/apt.sh

name="${1:-}"
case "$name" in
    promtool | prometheus) package=prometheus files="usr/bin/promtool usr/bin/prometheus" asked=--version ;;
    haproxy) package=haproxy files=usr/sbin/haproxy asked=-v ;;
    fish) package=fish files=usr/bin/fish asked=--version ;;
    *)
        echo "usage: images/unpacked.sh promtool|prometheus|haproxy|fish" >&2
        exit 2
        ;;
esac

# Servers are not on everybody's PATH. What was unpacked once may lack a library that has been removed since.
PATH="$PATH:/usr/sbin:/sbin"
for found in "$PWD/.venv/bin/$name" "$(command -v "$name" || true)"; do
    if [ -n "$found" ] && [ -x "$found" ] && "$found" "$asked" > /dev/null 2>&1; then
        echo "$found"
        exit 0
    fi
done
has_apt || {
    echo "error: $name is missing: install it (Debian and Ubuntu have it in the package $package)" >&2
    exit 1
}

# By apt's own plan, which knows what the libraries need in turn and what is there. Scripts for browsers are left out.
libraries() {
    apt-get install --simulate --no-install-recommends "$package" \
        | sed -n 's/^Inst \(lib[^ ]*\) .*/\1/p' | sed '/^libjs-/d'
}

fetched="$(mktemp -d)"
trap 'rm -rf "$fetched"' EXIT
chmod 755 "$fetched"
log="$fetched/log"
for pause in 2 10 30 0; do
    # shellcheck disable=SC2046
    if (cd "$fetched" && apt-get download "$package" $(libraries)) > "$log" 2>&1; then
        break
    fi
    [ "$pause" = 0 ] && cat "$log" >&2 && exit 1
    sleep "$pause"
    [ "$(id -u)" != 0 ] || apt-get update > "$log" 2>&1 || true
done
# Under names of its own: tests may look for it at the same time.
root="$PWD/.venv/debian/$name.$$"
mkdir -p "$root"
for archive in "$fetched"/*.deb; do
    dpkg-deb --extract "$archive" "$root"
done
libraries="$(find "$root" -name '*.so*' -exec dirname {} + | sort -u | paste -s -d :)"
for file in $files; do
    program=".venv/bin/${file##*/}"
    cat > "$program.$$" << END
#!/bin/sh
LD_LIBRARY_PATH="$libraries" exec "$root/$file" "\$@"
END
    chmod 755 "$program.$$"
    mv "$program.$$" "$program"
done
"$PWD/.venv/bin/$name" "$asked" > /dev/null
echo "$PWD/.venv/bin/$name"
