"""`Storage` on PostgreSQL."""
