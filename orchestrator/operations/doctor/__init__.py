"""Checks that this machine can run contracts, each with what is wrong and what to do."""
