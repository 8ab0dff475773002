"""Measurements, side by side in one run (docs/performance.md). `python -m bench`, or `make bench`."""
