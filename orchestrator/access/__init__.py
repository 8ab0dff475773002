"""Who may do what: tokens, scopes, namespaces, rates, audit. Knows neither HTTP nor runs (docs/access.md)."""
