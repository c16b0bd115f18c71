"""The command line: one module per group of commands; each calls a function of `pipeline.api` and prints its result."""
