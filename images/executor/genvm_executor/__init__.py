VERSION = "0.1.0"
"""Also the package's: asking its metadata for it would cost each start milliseconds."""
