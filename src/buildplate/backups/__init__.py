"""Backups of a whole farm: rows, print files and, sealed, the key file; and bringing them back."""
