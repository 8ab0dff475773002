"""Which images there are and what each is made of."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "genvm-"
DEFAULT_BASE = "python:3.11-slim-bookworm"


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image.

    `name` is its folder under `images/` and, with the prefix, its repository. `parent` is another recipe's
    name, or none for the image that starts from the public base. `lock` is a hash-pinned requirements file
    relative to the checkout. `packages` are
    Debian packages that the image gets besides. With `project_wheel` the manager's own package is built and
    installed too;
    `project_sources` are the paths that package is made of. `wraps` is the version of somebody else's
    program that is the image's content, and its only tag.
    """

    name: str
    title: str
    description: str
    parent: str | None = None
    lock: str | None = None
    project_wheel: bool = False
    project_sources: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    wraps: str | None = None

    @property
    def repository(self) -> str:
        return PREFIX + self.name

    def tags(self, version: str) -> tuple[str, ...]:
        if self.wraps is not None:
            return (f"{self.repository}:{self.wraps}",)
        return (f"{self.repository}:latest", f"{self.repository}:{version}")


# In building order.
RECIPES = (
    Recipe(
        name="base",
        title="GenVM base",
        description="Python and the wire package that manager and executor share",
    ),
    Recipe(
        name="executor",
        title="GenVM executor",
        description="Runs one intelligent contract in a WebAssembly sandbox",
        parent="base",
        lock="images/executor/requirements.lock",
    ),
    Recipe(
        name="llm",
        title="GenVM llm module",
        description="Answers prompts of contracts with the providers an operator configured",
        parent="base",
        lock="images/llm/requirements.lock",
    ),
    Recipe(
        name="web",
        title="GenVM web module",
        description="Fetches and renders web pages for contracts, with a headless browser",
        parent="base",
        lock="images/web/requirements.lock",
        packages=("chromium", "fonts-liberation", "fonts-noto-core", "libatomic1", "tini"),
    ),
    Recipe(
        name="manager",
        title="GenVM manager",
        description="Serves the GenVM Manager API and runs every instance as a container",
        parent="base",
        lock="requirements.lock",
        project_wheel=True,
        project_sources=(
            "pyproject.toml",
            "README.md",
            "orchestrator",
            "images/base/genvm_module",
            "images/base/genvm_wire",
            "images/llm/genvm_llm",
        ),
    ),
)


def official_release(version: str) -> Recipe:
    """An official GenVM release, which no checkout has: its archive comes from whoever builds."""
    return Recipe(
        name="release",
        title=f"GenVM {version}",
        description="An official GenVM release behind the instance protocol",
        parent="base",
        wraps=version,
    )


def chosen(names: list[str]) -> tuple[Recipe, ...]:
    """The named recipes and their parents, in building order; all without names. Raises KeyError."""
    if not names:
        return RECIPES
    known = {recipe.name: recipe for recipe in RECIPES}
    wanted: set[str] = set()
    for name in names:
        current: str | None = name.removeprefix(PREFIX)
        while current is not None:
            wanted.add(current)
            current = known[current].parent
    return tuple(recipe for recipe in RECIPES if recipe.name in wanted)
