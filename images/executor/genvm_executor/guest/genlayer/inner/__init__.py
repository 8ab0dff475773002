"""What stands behind the names of `gl`, out of a contract's way: upstream's `gl` has no such modules."""
