"""The interpreter that most contracts run in, made ready ahead of time, and what a package starts."""
