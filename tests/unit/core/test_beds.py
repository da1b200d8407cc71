"""What observations do to a bed: nothing unknown ever makes it clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.core.beds import (
    Company,
    LastSeen,
    bed_after_gap,
    bed_after_reading,
    bed_after_verdict,
)
from buildplate.core.evidence import Reading
from buildplate.core.print_table import TERMINAL, PrintState
from buildplate.core.printers import Activity, Bed, BedClearing

GAP = 600.0


def reading(
    *, activity: Activity = Activity.IDLE, foreign: bool = False, fingerprint: str | None = "same"
) -> Reading:
    return Reading(
        begun=1.0, activity=activity, foreign_ran=foreign, fingerprint=fingerprint, path="x.gcode"
    )


def test_first_contact_leaves_the_bed_unknown() -> None:
    change = bed_after_gap(Bed.CLEAR, None, reading(), GAP)
    assert change is not None
    assert change.bed is Bed.UNKNOWN


def test_a_short_gap_with_nothing_changed_keeps_the_bed_clear() -> None:
    assert bed_after_gap(Bed.CLEAR, LastSeen(GAP, "same"), reading(), GAP) is None


@pytest.mark.parametrize(
    ("last", "now"),
    [
        (LastSeen(GAP + 1, "same"), "same"),
        (LastSeen(1, "same"), "other"),
        (LastSeen(1, None), "same"),
        (LastSeen(1, "same"), None),
    ],
    ids=["too long", "history changed", "nothing stored", "host does not tell"],
)
def test_a_gap_that_is_not_covered_makes_the_bed_unknown(last: LastSeen, now: str | None) -> None:
    change = bed_after_gap(Bed.CLEAR, last, reading(fingerprint=now), GAP)
    assert change is not None
    assert change.bed is Bed.UNKNOWN


@given(
    bed=st.sampled_from([Bed.OCCUPIED, Bed.UNKNOWN]),
    age=st.floats(0, 1e6),
    activity=st.sampled_from(Activity),
    foreign=st.booleans(),
)
def test_no_observation_ever_clears_a_bed(
    bed: Bed, age: float, activity: Activity, foreign: bool
) -> None:
    seen = reading(activity=activity, foreign=foreign)
    for change in (
        bed_after_gap(bed, LastSeen(age, "same"), seen, GAP),
        bed_after_reading(bed, seen),
    ):
        assert change is None or change.bed is not Bed.CLEAR


def test_a_print_that_is_not_ours_occupies_the_bed() -> None:
    for seen in (reading(activity=Activity.FOREIGN), reading(foreign=True)):
        change = bed_after_reading(Bed.CLEAR, seen)
        assert change is not None
        assert change.bed is Bed.OCCUPIED


def test_a_new_print_of_others_makes_an_occupied_bed_one_that_nobody_has_seen_yet() -> None:
    seen = reading(activity=Activity.FOREIGN)
    assert bed_after_reading(Bed.OCCUPIED, seen, another=True) is not None
    assert bed_after_reading(Bed.OCCUPIED, seen) is None
    assert bed_after_reading(Bed.OCCUPIED, reading(), another=True) is None


def test_a_printer_that_clears_its_own_bed_clears_nothing_of_others() -> None:
    def after(company: Company) -> Bed | None:
        change = bed_after_verdict(
            PrintState.COMPLETED,
            policy=BedClearing.AUTOMATIC,
            before=Bed.CLEAR,
            nothing_ran=False,
            company=company,
            said=None,
        )
        return None if change is None else change.bed

    assert after(Company(ruled_out=True)) is Bed.CLEAR
    assert after(Company(seen=True, ruled_out=True)) is None
    assert after(Company()) is Bed.UNKNOWN


@given(
    verdict=st.sampled_from(sorted(TERMINAL)),
    policy=st.sampled_from(BedClearing),
    before=st.sampled_from(Bed),
    nothing_ran=st.booleans(),
    company=st.builds(Company),
)
def test_without_a_person_only_proof_leaves_a_clear_bed(
    verdict: PrintState, policy: BedClearing, before: Bed, nothing_ran: bool, company: Company
) -> None:
    change = bed_after_verdict(
        verdict,
        policy=policy,
        before=before,
        nothing_ran=nothing_ran,
        company=company,
        said=None,
    )
    if change is not None and change.bed is Bed.CLEAR:
        never_ran = verdict is PrintState.NOT_STARTED and nothing_ran and before is Bed.CLEAR
        ejected = verdict is PrintState.COMPLETED and policy is BedClearing.AUTOMATIC
        alone = company == Company(ruled_out=True)
        assert never_ran or (ejected and alone)


def test_a_persons_word_on_the_bed_is_taken() -> None:
    change = bed_after_verdict(
        PrintState.FAILED,
        policy=BedClearing.MANUAL,
        before=Bed.CLEAR,
        nothing_ran=False,
        company=Company(),
        said=Bed.CLEAR,
    )
    assert change is not None
    assert change.bed is Bed.CLEAR
