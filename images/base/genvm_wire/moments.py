"""The moment of a message that names none (host-protocol 6.1)."""

DEFAULT_DATETIME = "2024-11-26T06:42:42.424242Z"
