"""`genvm-orchestrator check`: what a node would say of a contract, said by the executor that nodes run."""
