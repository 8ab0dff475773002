"""One manager among several with the same journal (docs/managers.md)."""
