"""`make reference`: write all pages that are made from the code."""

from __future__ import annotations

from orchestrator.reference.pages import PAGES

for path, page in PAGES.items():
    path.write_text(page(), "utf-8")
