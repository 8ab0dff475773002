"""`/ui`: the operator's page, its files, and the one stream of events that it lives from (docs/ui.md)."""
