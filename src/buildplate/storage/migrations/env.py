"""Alembic's entry: runs migrations on the connection that `storage.schema` hands it."""

from collections.abc import Collection
from typing import Any

from alembic import context
from sqlalchemy import Connection, update

from buildplate import __version__
from buildplate.storage.schema import HEAD
from buildplate.storage.tables import identity, metadata


def sign(*, ctx: Any, heads: Collection[Any], **_: Any) -> None:
    """Note which release has brought the schema to its newest, with the last of the steps."""
    connection: Connection = ctx.connection
    if HEAD in heads:
        connection.execute(update(identity).values(release=__version__))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by rebuilding it
    compare_type=True,
    compare_server_default=True,
    # Alembic thinks that SQLite cannot, and would commit after each step.
    transactional_ddl=True,
    on_version_apply=sign,  # type: ignore[arg-type]  # is called with names alone
)
with context.begin_transaction():
    context.run_migrations()
