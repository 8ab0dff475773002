"""Wire models of the client generations; each turns into one `RunRequest`."""
