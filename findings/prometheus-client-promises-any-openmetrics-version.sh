#!/bin/sh
# prometheus-client 0.26.0 (PyPI): asked for a version of OpenMetrics that nobody has written, it promises that one.
#
# One would expect: an exporter answers in a version that it can write (1.0.0, or the plain text format), and names
#   that one in its `Content-Type`, as the package itself does for the text format: asked for 9.9.9, it says 1.0.0.
# What happens: for OpenMetrics the version of the `Accept` header comes back in the `Content-Type` whatever it is, and
#   the bytes are those of 1.0.0.
# Why it matters here: who scrapes reads the body by the type. Our /metrics does not negotiate: it always answers in
#   the text format 0.0.4, which every scraper reads.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import choose_encoder

registry = CollectorRegistry()
Counter("runs", "Runs that ended.", registry=registry)._created = 0.0


def answer(accepted: str) -> tuple[str, bytes]:
    encode, content_type = choose_encoder(accepted)
    return content_type, encode(registry)


known, body = answer("application/openmetrics-text; version=1.0.0")
unheard_of, same_body = answer("application/openmetrics-text; version=7.5.0")
text, _ = answer("text/plain; version=9.9.9")
print("prometheus-client", version("prometheus-client"))
print("asked for OpenMetrics 1.0.0:", known)
print("asked for OpenMetrics 7.5.0:", unheard_of, "(the same bytes)" if same_body == body else "(other bytes)")
print("asked for text 9.9.9:       ", text)
assert "version=7.5.0" in unheard_of and same_body == body
assert "version=1.0.0" in known and "version=1.0.0" in text
PYTHON
echo "as described"
