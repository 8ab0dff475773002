"""The edge of a manager among others: what is another's run is another's to answer (docs/managers.md)."""
