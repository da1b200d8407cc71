"""What the process does for its memory."""

from __future__ import annotations

import gc

from buildplate.app.memory import settle_memory


def test_what_lives_at_the_start_is_walked_through_no_more() -> None:
    try:
        settle_memory()
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 1_000
    finally:
        gc.unfreeze()
