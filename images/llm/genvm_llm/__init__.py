"""The llm module: prompts of contracts answered by the providers an operator configured (modules 2)."""

VERSION = "0.1.0"
