"""What the long-lived modules (`llm`, `web`) share: sessions, transports, the control channel, errors, logs.

A module supplies a `contract.Module`; `program.run` does the rest.
"""
