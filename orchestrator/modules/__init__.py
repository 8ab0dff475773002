"""The llm and web modules: their containers, their configuration, and the sessions of runs with them."""
