"""The command line: one module per command, `main` ties them together."""
