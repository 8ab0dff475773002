# { "Depends": "py-genlayer:test" }

from genlayer import *


class PageReader(gl.Contract):
    page: str

    def __init__(self):
        self.page = gl.eq_principle.strict_eq(
            lambda: gl.nondet.web.render("https://example.com", mode="text")
        )

    @gl.public.view
    def read(self) -> str:
        return self.page
