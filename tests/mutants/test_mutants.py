"""Each rule of printing that is taken out of the program is missed by a fault test."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

import buildplate
from tests import postgres
from tests.faults.lanes import Outcome, Trial, lanes
from tests.faults.promises import PROMISES, can_be_tried
from tests.mutants.mutants import MUTANTS, Mutant, make

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SOURCE = Path(buildplate.__file__).parent.parent
ROUNDS = 3
"""A loaded machine may let a mutant pass once: its moment is a matter of settle times."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_fits_the_program(tmp_path: Path, mutant: Mutant) -> None:
    changed = make(mutant, SOURCE, tmp_path)
    for patch in mutant.patches:
        compile((changed / patch.file).read_text(), patch.file, "exec")


def trial_of(mutant: Mutant, folder: Path) -> Trial:
    """The promise that the mutant breaks, tried on it."""
    promise = PROMISES[mutant.promise]
    return replace(promise, name=mutant.name, source=make(mutant, SOURCE, folder))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Outcome]]:
    folder = tmp_path_factory.mktemp("mutants")
    missing = {
        mutant.name: trial_of(mutant, folder)
        for mutant in MUTANTS
        if can_be_tried(PROMISES[mutant.promise])
    }
    found: dict[str, Outcome] = {}
    async with lanes(folder / "worlds", count=4, subnet=30) as here:
        for nth in range(ROUNDS):
            again = [replace(trial, name=f"{name} {nth}") for name, trial in missing.items()]
            for name, outcome in (await here.run(again)).items():
                found[name.rpartition(" ")[0]] = outcome
            missing = {name: trial for name, trial in missing.items() if not found[name].problems}
    yield found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_mutant_is_caught(outcomes: dict[str, Outcome], mutant: Mutant) -> None:
    if mutant.name not in outcomes:
        pytest.skip(postgres.MISSING)
    problems = outcomes[mutant.name].problems
    print(f"{mutant.name:50} caught by {mutant.promise}")
    assert problems, f"nobody missed the rule: {mutant.promise} is kept without it"
    assert mutant.seen in "\n".join(problems), problems


def test_the_page_of_proofs_names_every_mutant_and_who_misses_it() -> None:
    page = (SOURCE.parent / "docs" / "reference" / "proofs.md").read_text()
    rows = re.findall(r"^\| (.+?) \| `(\w+)` \|$", page, re.MULTILINE)
    assert rows == [(mutant.name, mutant.promise) for mutant in MUTANTS]
