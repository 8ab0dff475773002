#!/bin/sh
# genlayer-py 0.8.1 (PyPI), the Python client of GenLayer networks: `bytes` come out of its calldata decoder as another
# type, which its encoder takes for an array of numbers.
#
# One would expect: encode(decode(data)) == data, as for every other value of calldata, or an error.
# What happens: decode gives a memoryview for bytes. encode knows `bytes` alone; a memoryview, and a bytearray, is a
#   sequence to it, and each byte becomes a number of its own: 13 61 62 goes out as 15 89 06 91 06. Nothing is raised.
#   The package's own text form refuses the decoded value, and addresses and texts come through as they were.
# Why it matters here: a client that hands what one call has returned to the next one sends `list[int]` to a parameter
#   of type `bytes`. The manager passes arguments on as they are, so the contract is who notices, or does not.
#
# Its metadata promises Python 3.8; it imports a name that came with 3.12, which a stand-in gives older ones here.
# 0.16.3, the newest for Python 3.12, was seen to do the same.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check genlayer-py==0.8.1
"$folder/venv/bin/python" - <<'PYTHON'
import collections.abc

if not hasattr(collections.abc, "Buffer"):
    collections.abc.Buffer = object

from genlayer_py.abi.calldata import decode, encode, to_str
from genlayer_py.types import CalldataAddress

said = encode(b"ab")
read = decode(said)
again = encode(read)
address = CalldataAddress(bytes(range(20)))
try:
    shown = to_str(read)
except Exception as error:
    shown = type(error).__name__
seen = {
    "bytes": said.hex(),
    "read as": type(read).__name__,
    "and said again": again.hex(),
    "which reads": decode(again),
    "as text": shown,
    "a bytearray": encode(bytearray(b"ab")).hex(),
    "a text and an address": [encode(decode(encode(one))) == encode(one) for one in ("ab", address)],
}
print("genlayer-py 0.8.1", seen)
assert seen == {
    "bytes": "136162",
    "read as": "memoryview",
    "and said again": "1589069106",
    "which reads": [97, 98],
    "as text": "GenLayerError",
    "a bytearray": "1589069106",
    "a text and an address": [True, True],
}, "genlayer-py behaves otherwise now"
PYTHON
echo "as described: bytes that were decoded are encoded as an array"
