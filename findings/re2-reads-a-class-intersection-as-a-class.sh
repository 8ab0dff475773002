#!/bin/sh
# google-re2 1.1.20251105 (PyPI): `[a-z&&[^b]]` is accepted and means something else than in Rust's `regex`.
#
# One would expect: the two engines without backtracking, which both document RE2's syntax as their base, agree, or RE2
#   refuses what it does not have, as it does for look-around and back-references.
# What happens: RE2 reads the class `[a-z&&[^b]` (letters, `&`, `[`, `^`) followed by a literal `]`. Rust's crate reads
#   "letters but b". Octal escapes are another such pair: RE2 takes `\101` as A, the crate refuses it by default.
# Why it matters here: clients write version patterns for a manager in Rust, and ours matches them with RE2. A pattern
#   that means something else may choose another executor without an error, so such syntax is refused by name.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check google-re2==1.1.20251105
"$folder/venv/bin/python" - <<'PYTHON'
import re2

seen = {
    "c, a letter but b": bool(re2.fullmatch(r"[a-z&&[^b]]", "c")),
    "b and a bracket": bool(re2.fullmatch(r"[a-z&&[^b]]", "b]")),
    "an ampersand and a bracket": bool(re2.fullmatch(r"[a-z&&[^b]]", "&]")),
    "octal": bool(re2.fullmatch(r"\101", "A")),
}
print("google-re2 1.1.20251105", seen)
assert seen == {
    "c, a letter but b": False,
    "b and a bracket": True,
    "an ampersand and a bracket": True,
    "octal": True,
}, "RE2 behaves otherwise now"
PYTHON
echo "as described: the intersection is a class and a bracket"
