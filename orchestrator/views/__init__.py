"""What the edge and the commands tell of runs, as they read it."""
