"""A small local node for contract developers: chain state in one file, a real host, a manager's client."""
