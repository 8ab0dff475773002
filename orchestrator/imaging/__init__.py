"""Builds the project's container images with nothing but an engine and this checkout."""
