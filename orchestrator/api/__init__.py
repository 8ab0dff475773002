"""The HTTP edge: routes, wire models, errors. The only package that serves HTTP."""
