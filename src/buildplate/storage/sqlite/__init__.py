"""The SQLite engine: one writer thread with group commit, readers on snapshots of their own."""
