"""The journal: what survives the manager. SQLite by default, PostgreSQL by the same code."""
