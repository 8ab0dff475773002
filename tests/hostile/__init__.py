"""What must fail from inside an instance: a hostile image through the normal run path (README.md)."""
