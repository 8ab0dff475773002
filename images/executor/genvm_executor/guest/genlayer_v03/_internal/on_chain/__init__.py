"""Requests to the host."""
