"""Traces of runs for OpenTelemetry (docs/traces.md). Imported only where the settings ask for them."""
