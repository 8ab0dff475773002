"""The site of these pages, for Sphinx: `make docs`.

Pages are plain Markdown that reads as well where it lies; what the site needs beyond that is here.
"""

from __future__ import annotations

import re
from importlib import metadata

from sphinx.application import Sphinx

project = "genvm-orchestrator"
copyright = "the genvm-orchestrator authors, Apache-2.0"
release = version = metadata.version(project)

extensions = ["myst_parser"]
root_doc = "index"
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"{project} {version}"
html_copy_source = False
html_show_sphinx = False
# Nothing of the site is fetched from anywhere else.
html_theme_options = {"top_of_page_buttons": []}

OUTSIDE = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+)([^)#\s]+)(?:#[^)]*)?\)")
"""A link to a file of the checkout: the site names it."""


CONTENTS = re.compile(r"^```\{toctree\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _named(link: re.Match[str]) -> str:
    text, path = link[1], link[3].rstrip("/")
    return f"`{path}`" if path in text else f"{text} (`{path}`)"


def name_files_of_the_checkout(app: Sphinx, page: str, source: list[str]) -> None:
    del app
    # From a page in a folder, one level up is still a page.
    up = "../" * (page.count("/") + 1)
    source[0] = OUTSIDE.sub(lambda link: _named(link) if link[2] == up else link[0], source[0])


def list_what_has_no_place_yet(app: Sphinx, page: str, source: list[str]) -> None:
    """A page that nobody has put into the contents stands at their end: it is not lost."""
    if page != root_doc:
        return
    named = {line.strip() for block in CONTENTS.findall(source[0]) for line in block.splitlines()}
    others = sorted(app.project.docnames - named - {root_doc})
    if others:
        source[0] += "\n```{toctree}\n:caption: More\n:hidden:\n\n" + "\n".join(others) + "\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", name_files_of_the_checkout)
    app.connect("source-read", list_what_has_no_place_yet)
