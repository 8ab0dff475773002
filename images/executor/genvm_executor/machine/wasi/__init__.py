"""WASI preview 1 as a contract sees it, implemented in the host (spec: contract-runtime.md, 4.2)."""
