"""The database: engine, transactions, tables, migrations and the outbox."""
