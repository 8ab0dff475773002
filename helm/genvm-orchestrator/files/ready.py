"""Ends well when the manager at the given URL is ready; says what it says otherwise. Run by `helm test`."""

import sys
import time
import urllib.error
import urllib.request

PATIENCE_S = 120.0


def answer(url: str) -> str:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as found:
            return "" if found.status == 200 else f"status {found.status}"
    except urllib.error.HTTPError as error:
        return f"status {error.code}: {error.read(500).decode('utf-8', 'replace')}"
    except OSError as error:
        return str(error)


until = time.monotonic() + PATIENCE_S
while (why := answer(sys.argv[1])) and time.monotonic() < until:
    time.sleep(1)
print(why or "ready")
sys.exit(1 if why else 0)
