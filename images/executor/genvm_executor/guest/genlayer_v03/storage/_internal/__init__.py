"""Upstream's inner places in storage, as far as contracts import them."""
