"""One module a command: read tables, call a transformation, write, log counts."""
