"""Executions: what a run is, which states it goes through, who holds permits, how it ends."""
