# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

import json

from genlayer import *


class Oracle(gl.Contract):
    """Keeps a price in cents that nodes read from a web service; they need not see the very same one."""

    price: u256
    updated: str

    def __init__(self):
        self.updated = "never"

    @gl.public.view
    def get(self) -> dict[str, int | str]:
        return {"cents": self.price, "updated": self.updated}

    @gl.public.write
    def update(self, url: str) -> int:
        def fetch() -> int:
            answer = gl.nondet.web.get(url, headers={"Accept": "application/json"})
            if answer.status != 200:
                raise gl.vm.UserError(f"the service answered {answer.status}")
            return round(float(json.loads(answer.body)["price"]) * 100)

        def is_near(leader: gl.vm.Result) -> bool:
            if not isinstance(leader, gl.vm.Return):
                return False
            return abs(leader.calldata - fetch()) * 100 <= leader.calldata

        self.price = u256(gl.vm.run_nondet_unsafe(fetch, is_near))
        self.updated = gl.message_raw["datetime"]
        return self.price
