"""What the manager says of itself to Prometheus (docs/metrics.md): read where it is kept."""
