"""Makes a release: `make release` writes what is published of a version into `dist/` (docs/release.md)."""
