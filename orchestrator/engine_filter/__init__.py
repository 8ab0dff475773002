"""The engine's socket with most of it taken away: what a manager needs, and nothing else (docs/images.md).

Whoever may use an engine's socket is root on its host. A manager in a container is given this one instead:
calls by an allow-list, containers by an allow-list of the fields and values of *create*, and of what there is
only those of this product.
"""
