"""The web module: requests and rendered pages for contracts, kept on the public internet."""

VERSION = "0.1.0"
