"""What stands behind the names of the library."""
