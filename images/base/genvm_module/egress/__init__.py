"""What packets may leave a module's container: rules in its own network namespace, below the module.

The module judges what pages ask for; this holds for whoever has taken the module over. Installed by a
container that joins the namespace for a moment with the right to do so, which the module itself has not
(docs/web.md).
"""
