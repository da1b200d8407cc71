"""A renaming changes the group that a job asks for, and not one letter besides."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from buildplate.core.jobs import Requirements
from buildplate.core.materials import MaterialNeed
from buildplate.dispatch.grouping import as_text
from buildplate.dispatch.rows import requirements_from_json, requirements_to_json

# Names that look like what is searched for, and whatever else people type.
AWKWARD = ('"group":"old"', "old", 'old"', "\\", '\\"group\\":', "group", '","group":"old', "null")
names = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8
)
materials = st.builds(MaterialNeed, st.just(0), names, names, names)
asked = st.builds(
    Requirements,
    materials=st.tuples(materials),
    printer_model=names,
    group=st.none() | names,
    tags_all=st.frozensets(names, max_size=3),
    plate=names,
)


@given(asked, names, names)
def test_only_the_group_is_renamed(requirements: Requirements, old: str, new: str) -> None:
    text = requirements_to_json(requirements)
    renamed = text.replace(as_text(old), as_text(new))  # as the database does it
    wanted = replace(requirements, group=new) if requirements.group == old else requirements
    assert requirements_from_json(renamed) == wanted
    assert renamed == requirements_to_json(wanted)


@given(asked, names)
def test_every_job_of_the_group_is_found(requirements: Requirements, new: str) -> None:
    asks = replace(requirements, group="old")
    renamed = requirements_to_json(asks).replace(as_text("old"), as_text(new))
    assert requirements_from_json(renamed).group == new
