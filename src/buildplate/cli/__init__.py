"""The command line, `buildplate …`."""
