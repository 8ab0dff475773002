# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from genlayer import *


class Summary(gl.Contract):
    """Sums pages up with a language model: nodes judge the leader's text instead of writing the same."""

    texts: TreeMap[str, str]

    def __init__(self):
        pass

    @gl.public.view
    def get(self, url: str) -> str:
        return self.texts.get(url, "")

    @gl.public.write
    def sum_up(self, url: str) -> str:
        text = gl.eq_principle.prompt_non_comparative(
            lambda: gl.nondet.web.render(url, mode="text"),
            task="Sum the page up in one sentence.",
            criteria="The sentence says what the page says, and nothing else.",
        )
        self.texts[url] = text
        return text

    @gl.public.write
    def title(self, url: str) -> str:
        def ask() -> str:
            page = gl.nondet.web.render(url, mode="html")
            return gl.nondet.exec_prompt(f"Give the title of this page, and nothing else:\n{page}")

        return gl.eq_principle.prompt_comparative(ask, principle="Both name the same page.")
