"""Everything HTTP: the paths, their schemas and their errors."""
