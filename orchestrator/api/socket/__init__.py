"""`GET /ws`: the manager socket protocol (manager-api 4, docs/manager-socket.md)."""
