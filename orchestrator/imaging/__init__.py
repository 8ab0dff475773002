"""Builds the project's container images with nothing but an engine and a checkout, or an installed wheel."""
