# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

import genlayer as gl


class Judge(gl.contract.Contract):
    """What `examples/judge.py` is, of the second generation of the library."""

    verdict: str

    def __init__(self):
        pass

    @gl.public.write
    def judge(self, url: str, claim: str) -> str:
        def ask() -> str:
            page = gl.nondet.web.render(url, mode="text")
            answer = gl.nondet.exec_prompt(f"{page}\nDoes it support: {claim}?", response_format="json")
            return answer["verdict"]

        self.verdict = gl.eq_principle.strict_eq(ask)
        return self.verdict
