"""The web module: requests and rendered pages for contracts, behind rules that keep them on the public internet."""

VERSION = "0.1.0"
