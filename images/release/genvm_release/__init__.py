"""An official GenVM release (its `genvm` program) behind the instance protocol (docs/official-release.md)."""
