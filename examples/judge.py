# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }

from genlayer import *


class Judge(gl.Contract):
    """Reads a page and has a language model judge a claim by it."""

    verdict: str

    def __init__(self):
        self.verdict = "unknown"

    @gl.public.view
    def get(self) -> str:
        return self.verdict

    @gl.public.write
    def judge(self, url: str, claim: str) -> str:
        def ask() -> str:
            page = gl.nondet.web.render(url, mode="text")
            prompt = (
                f'A page says:\n"""\n{page}\n"""\nDoes it support this claim: {claim}\n'
                'Answer with JSON: {"verdict": "yes"} or {"verdict": "no"}.'
            )
            return gl.nondet.exec_prompt(prompt, response_format="json")["verdict"]

        self.verdict = gl.eq_principle.strict_eq(ask)
        return self.verdict
