"""Hostile input by the million: `python -m tests.fuzz --help`; a short round of each is in the test suite."""
