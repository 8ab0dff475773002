"""The webdriver service: a headless browser that reaches the public internet only (modules 4)."""
