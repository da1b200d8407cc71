"""Before the intent: naming uploads, trying again, giving the printer back, intending."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildplate.core.actions import Intend, Move, NameUpload, Transfer, Wait
from buildplate.core.deeds import Deeds, Upload
from buildplate.core.print_table import Event, PrintState
from buildplate.core.printers import Activity, Bed, Link
from tests.unit.core.moments import NOW, SILENT, Moment, reading

CLAIMED = PrintState.CLAIMED
TRANSFERRING = PrintState.TRANSFERRING
VERIFIED = Deeds().uploading(Upload.VERIFIED, NOW - 1)
READY = Moment(TRANSFERRING, deeds=VERIFIED)


def given_back(moment: Moment) -> bool:
    action = moment.action
    return isinstance(action, Move) and action.event is Event.GIVEN_BACK


@pytest.mark.parametrize("state", [CLAIMED, TRANSFERRING])
def test_a_process_that_remembers_no_upload_takes_a_new_name(state: PrintState) -> None:
    assert Moment(state).action == NameUpload()


def test_the_file_is_sent_only_under_a_committed_name() -> None:
    named = Deeds().uploading(Upload.NAMED, NOW)
    assert Moment(TRANSFERRING, deeds=named).action == Transfer()


def test_an_upload_under_way_is_waited_for_even_offline() -> None:
    sent = Deeds().uploading(Upload.UNDERWAY, NOW)
    assert Moment(TRANSFERRING, deeds=sent).action == Wait()
    assert Moment(TRANSFERRING, deeds=sent, look=None, link=Link.OFFLINE).action == Wait()


def test_an_upload_of_unknown_fate_is_sent_again_under_a_new_name_after_a_pause() -> None:
    unknown = Deeds(upload=Upload.UNKNOWN, upload_at=NOW, uploads=2)
    assert Moment(TRANSFERRING, deeds=unknown).action == Wait(NOW + 4.0)
    assert Moment(TRANSFERRING, deeds=unknown, now=NOW + 4.0).action == NameUpload()


def test_after_three_uploads_the_printer_is_given_back() -> None:
    assert given_back(Moment(TRANSFERRING, deeds=Deeds(upload=Upload.UNKNOWN, uploads=3)))


def test_a_printer_without_room_is_given_back_at_once_and_says_why() -> None:
    full = Deeds(uploads=1).uploading(Upload.NO_ROOM, NOW, "5 bytes are free on the host")
    action = Moment(TRANSFERRING, deeds=full).action
    assert isinstance(action, Move)
    assert action.event is Event.GIVEN_BACK
    assert "5 bytes are free" in action.reason


@pytest.mark.parametrize("state", [CLAIMED, TRANSFERRING])
@pytest.mark.parametrize("step", list(Upload))
def test_a_cancelled_print_ends_before_its_intent_at_any_step(
    state: PrintState, step: Upload
) -> None:
    action = Moment(state, cancel=True, deeds=Deeds(upload=step)).action
    assert isinstance(action, Move)
    assert action.event is Event.CANCEL


@pytest.mark.parametrize("link", [Link.OFFLINE, Link.AUTH_REQUIRED, Link.DISABLED])
def test_a_printer_that_is_lost_before_the_intent_is_given_back(link: Link) -> None:
    assert given_back(replace(READY, link=link, look=None))


@pytest.mark.parametrize("link", [Link.CONNECTING, Link.SYNCING, Link.DEGRADED])
@pytest.mark.parametrize("step", list(Upload))
def test_nothing_is_decided_while_a_link_is_being_made(link: Link, step: Upload) -> None:
    moment = Moment(TRANSFERRING, link=link, look=None, deeds=Deeds(upload=step, uploads=1))
    assert moment.action == Wait()


def test_a_ready_printer_with_a_verified_file_gets_the_intent() -> None:
    assert READY.action == Intend()


def test_the_intent_needs_a_reading_begun_after_the_upload() -> None:
    assert replace(READY, look=reading(begun=NOW - 2)).action == Wait(NOW - 1)


@pytest.mark.parametrize(
    "spoiled",
    [
        replace(READY, bed=Bed.OCCUPIED),
        replace(READY, bed=Bed.UNKNOWN),
        replace(READY, unsettled=True),
        replace(READY, may_intend=False),
        replace(READY, look=reading(channel=False)),
        replace(READY, look=reading(foreign_ran=True)),
        *[replace(READY, look=reading(a)) for a in Activity if a is not Activity.IDLE],
    ],
)
def test_a_printer_that_is_not_ready_any_more_is_given_back(spoiled: Moment) -> None:
    assert given_back(spoiled)


@pytest.mark.parametrize(
    "state",
    [s for s in PrintState if s.value in {"queued", "completed", "failed", "cancelled"}]
    + [PrintState.NOT_STARTED],
)
def test_a_print_without_a_printer_has_no_next_action(state: PrintState) -> None:
    with pytest.raises(ValueError, match="has no printer"):
        Moment(state, look=SILENT).decide()
