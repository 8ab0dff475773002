#!/bin/sh
# fontconfig 2.14.1 (Debian's 2.14.1-4) and image layers: a font cache that is made while an image is built is worth
# nothing where the image is unpacked.
#
# One would expect: `fc-cache` in a Dockerfile saves every program of the image the work. The layer carries the fonts'
#   folders with their times, and the cache files beside them.
# What happens: a cache is valid for one time of its folder, to the nanosecond. A tar archive with plain headers, as
#   layers are written, holds whole seconds. So every cache is out of date after unpacking, and the first program that
#   asks for a font reads all of them again, and each one after it where the root is read-only. Where an image was built
#   nothing shows: there the layer was never packed. Folders whose times are whole seconds before the cache is made keep it.
# Why it matters here: the web module's browser starts with a read-only root, for each container again; and the same
#   image built twice has caches that differ in these nanoseconds.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
chmod 755 .
apt-get download -qq fontconfig=2.14.1-4 libfontconfig1=2.14.1-4 fonts-dejavu-core=2.37-6 \
    libfreetype6 libexpat1 libpng16-16 libbrotli1 2>/dev/null
for package in *.deb; do dpkg-deb -x "$package" root; done
cat > fonts.conf <<CONF
<?xml version="1.0"?>
<fontconfig><dir>$folder/image/fonts</dir><cachedir>$folder/image/cache</cachedir></fontconfig>
CONF
export LD_LIBRARY_PATH="$folder/root/usr/lib/$(uname -m)-linux-gnu" FONTCONFIG_FILE="$folder/fonts.conf"

made() {  # which files the cache consists of: one that is written again is another file
    stat -c '%n %i' image/cache/*.cache-8
}

build() {  # an image's two steps: fonts, then their cache
    rm -rf image && mkdir -p image/cache && cp -r root/usr/share/fonts image/fonts
    find image/fonts -type d -exec touch -d "$1" {} +
    root/usr/bin/fc-cache
}

unpack() {  # as a layer travels
    tar -C image --format=ustar -cf layer.tar fonts cache
    rm -rf image/fonts image/cache && tar -C image -xf layer.tar
}

used() {  # "kept" or "made again", when a program has asked for the fonts
    made > before
    test "$(root/usr/bin/fc-list | wc -l)" -gt 0
    made > after
    if cmp -s before after; then echo kept; else echo "made again"; fi
}

root/usr/bin/fc-cache --version 2>&1
build "2026-01-02 03:04:05.678901234"
here="$(used)"
unpack
there="$(used)"
build "2026-01-02 03:04:05"
unpack
whole="$(used)"
echo "where it was built:            $here"
echo "unpacked from a layer:         $there"
echo "folders with whole seconds:    $whole"
test "$here" = kept
test "$there" = "made again"
test "$whole" = kept
echo "as described"
