"""The webdriver service: pages in a headless browser that reaches the public internet only (modules.md, 4)."""
