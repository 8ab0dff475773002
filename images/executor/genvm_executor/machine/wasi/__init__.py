"""WASI preview 1 as a contract sees it, implemented in the host (spec: contract-runtime 4.2)."""
