"""Accepting connections: as many as there are descriptors for, and none that only waits."""
