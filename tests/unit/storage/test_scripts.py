from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildplate.storage import SCRIPTS, ScriptError, StorageError, script
from buildplate.storage import errors as storage_errors
from buildplate.storage.outbox import publish_batch
from buildplate.storage.scripts import name_of

if TYPE_CHECKING:
    from buildplate.storage import Tx


def test_a_script_is_found_under_its_room_and_name() -> None:
    assert SCRIPTS["storage.outbox.publish_batch"] is publish_batch
    assert name_of(publish_batch) == "storage.outbox.publish_batch"


def test_an_unregistered_function_has_no_name() -> None:
    async def stranger(tx: Tx) -> None: ...

    with pytest.raises(ScriptError, match="stranger"):
        name_of(stranger)


def test_two_places_can_not_share_a_name() -> None:
    source = "async def publish_batch(tx): ..."
    namespace: dict[str, object] = {"__name__": "buildplate.storage.outbox"}
    exec(source, namespace)  # noqa: S102 (a function of the same name from elsewhere)
    with pytest.raises(ScriptError, match=r"storage\.outbox\.publish_batch"):
        script(namespace["publish_batch"])  # type: ignore[type-var]
    assert SCRIPTS["storage.outbox.publish_batch"] is publish_batch


def test_every_error_says_what_to_do_and_its_code_is_stable() -> None:
    found = [
        value
        for value in vars(storage_errors).values()
        if isinstance(value, type) and issubclass(value, StorageError)
    ]
    assert {error.code for error in found} == {
        "storage_error",
        "storage_full",
        "storage_busy",
        "storage_closed",
        "database_in_use",
        "database_unreachable",
        "schema_too_new",
        "upgrade_refused",
        "constraint_violated",
        "outcome_unknown",
        "bad_database_url",
        "storage_script_error",
    }
    assert all(error.hint.endswith(".") for error in found)
