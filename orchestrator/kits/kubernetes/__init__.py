"""What goes with the Kubernetes runtime: how it is opened, surveyed and checked."""
