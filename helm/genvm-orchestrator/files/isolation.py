"""What a Pod under the instances' network policy reaches: run by `helm test`.

Arguments: `report` or `fail`, then HOST:PORT …. Where the API server is, every container's environment says.
"""

import os
import socket
import sys

PATIENCE_S = 5.0


def reached(target: str) -> bool:
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S).close()
    except ConnectionRefusedError:
        return True  # somebody answered
    except OSError:
        return False
    return True


def api_server() -> str:
    return f"{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"


def main(mode: str, targets: list[str]) -> int:
    open_to_all = [target for target in targets if reached(target)]
    for target in targets:
        print(f"{target}: {'REACHED' if target in open_to_all else 'not reached'}")
    if not open_to_all:
        print("the network policy holds")
        return 0
    print("THE NETWORK POLICY DOES NOT HOLD: this cluster's network does not enforce it for instances.")
    print("Contracts have no network even so; an instance that is broken out of has this one.")
    return 1 if mode == "fail" else 0


sys.exit(main(sys.argv[1], [api_server(), *sys.argv[2:]]))
