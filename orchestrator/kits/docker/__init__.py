"""What goes with the Docker runtime."""
