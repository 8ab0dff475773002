"""What operators look at and set right: runs, leftovers, and whether this machine can do the work."""
