# v0.3.0
# { "Depends": "py-genlayer:5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng" }

import json
import typing

import genlayer as gl
from genlayer.storage import TreeMap
from genlayer.types import *


class Critic(gl.contract.Contract):
    """Asks language models for texts and judgements. Second generation of the library."""

    ratings: TreeMap[str, u8]
    reviews: TreeMap[str, str]

    def __init__(self):
        pass

    @gl.public.view
    def of(self, url: str) -> dict[str, typing.Any]:
        return {"rating": self.ratings.get(url), "review": self.reviews.get(url, "")}

    @gl.public.write
    def rate(self, url: str) -> int:
        """A number that all nodes agree on; a model says it with a fraction."""

        def judge() -> int:
            page = gl.nondet.web.render(url, mode="text")
            answer = gl.nondet.exec_prompt(f"Rate this from 0 to 10: {page}", response_format="json")
            if not isinstance(answer, dict) or not isinstance(answer.get("rating"), int | float):
                raise gl.vm.UserError({"code": "model", "answer": json.dumps(answer)})
            return round(answer["rating"])

        self.ratings[url] = gl.eq_principle.strict_eq(judge)
        return self.ratings[url]

    @gl.public.write
    def review(self, url: str) -> str:
        """A text that differs from node to node, and that validators compare by its meaning."""

        def write() -> str:
            page = gl.nondet.web.render(url, mode="text")
            return gl.nondet.exec_prompt(f"Review in one sentence: {page}")

        self.reviews[url] = gl.eq_principle.prompt_comparative(write, "both like it, or both do not")
        return self.reviews[url]

    @gl.public.write
    def summarize(self, url: str) -> str:
        """A text that validators only judge."""
        return gl.eq_principle.prompt_non_comparative(
            lambda: gl.nondet.web.render(url, mode="text"),
            task="say what it is about",
            criteria="names the subject",
        )
