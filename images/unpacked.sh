#!/bin/sh
# A program of a Debian package, for tests: prints where it is. Where the machine has none, the package and the
# libraries that it needs are unpacked below .venv and not installed: installed, prometheus and haproxy would start
# servers, now and with the machine.
set -eu
cd "$(dirname "$0")/.."
. images/apt.sh

name="${1:-}"
case "$name" in
    promtool) package=prometheus file=usr/bin/promtool ;;
    haproxy) package=haproxy file=usr/sbin/haproxy ;;
    fish) package=fish file=usr/bin/fish ;;
    *)
        echo "usage: images/unpacked.sh promtool|haproxy|fish" >&2
        exit 2
        ;;
esac

# Servers are not on everybody's PATH.
PATH="$PATH:/usr/sbin:/sbin"
for found in "$PWD/.venv/bin/$name" "$(command -v "$name" || true)"; do
    if [ -n "$found" ] && [ -x "$found" ]; then
        echo "$found"
        exit 0
    fi
done
has_apt || {
    echo "error: $name is missing: install it (Debian and Ubuntu have it in the package $package)" >&2
    exit 1
}

libraries() {
    apt-cache depends "$package" | sed -n 's/^ *|\{0,1\}Depends: \(lib[^ <]*\)$/\1/p' | while read -r library; do
        dpkg-query --show "$library" > /dev/null 2>&1 || echo "$library"
    done
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
cat > ".venv/bin/$name.$$" << END
#!/bin/sh
LD_LIBRARY_PATH="$(find "$root" -name '*.so*' -exec dirname {} + | sort -u | paste -s -d :)" exec "$root/$file" "\$@"
END
chmod 755 ".venv/bin/$name.$$"
mv ".venv/bin/$name.$$" ".venv/bin/$name"
echo "$PWD/.venv/bin/$name"
