"""The parts of the library that do not talk to the host, and storage."""
