"""What is sealed opens with its key, at its place, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildplate.drivers.sdk import AuthRequired, BadConnectionSettings
from buildplate.fleet.sealing import (
    MARK,
    Sealed,
    Seals,
    SecretLocked,
    connection_from,
    connection_json,
)

ONE, TWO = b"1" * 32, b"2" * 32
SECRETS = frozenset({"api_key"})
PLAIN = {"url": "http://octopi.local", "api_key": "a very secret key"}
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(value=values)
def test_whatever_a_secret_is_it_comes_back_from_the_database_as_it_was(value: object) -> None:
    seals = Seals([ONE])
    stored = connection_json(seals.seal("p1", {"api_key": value}, SECRETS))
    assert seals.open("p1", connection_from(stored)) == {"api_key": value}


def test_only_the_secrets_are_sealed_and_none_of_them_is_in_the_text() -> None:
    stored = connection_json(Seals([ONE]).seal("p1", PLAIN, SECRETS))
    assert "http://octopi.local" in stored
    assert "secret key" not in stored


def test_a_sealed_value_shows_nothing_of_itself() -> None:
    sealed = Seals([ONE]).seal("p1", PLAIN, SECRETS)["api_key"]
    assert isinstance(sealed, Sealed)
    assert sealed.token not in repr(sealed)


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    seals = Seals([ONE])
    first, second = (seals.seal("p1", PLAIN, SECRETS)["api_key"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("place", [("p2", "api_key"), ("p1", "password")])
def test_a_sealed_value_opens_at_no_other_printer_and_in_no_other_field(
    place: tuple[str, str],
) -> None:
    seals = Seals([ONE])
    moved = {place[1]: seals.seal("p1", PLAIN, SECRETS)["api_key"]}
    with pytest.raises(SecretLocked, match="belongs to another"):
        seals.open(place[0], moved)


@pytest.mark.parametrize("seals", [Seals([TWO]), Seals([], "the key file is missing")])
def test_without_its_key_nothing_opens_and_a_person_is_asked_for_it(seals: Seals) -> None:
    sealed = Seals([ONE]).seal("p1", PLAIN, SECRETS)
    with pytest.raises(AuthRequired) as told:
        seals.open("p1", sealed)
    assert "again" in told.value.hint
    assert PLAIN["api_key"] not in str(told.value)


@pytest.mark.parametrize("token", ["", "!", "AAAA", "é"])
def test_a_damaged_value_is_locked_and_breaks_nothing(token: str) -> None:
    seals = Seals([ONE])
    sealed = seals.seal("p1", PLAIN, SECRETS)["api_key"]
    with pytest.raises(SecretLocked):
        seals.open("p1", {"api_key": replace(sealed, token=token)})


def test_without_a_key_no_secret_is_stored() -> None:
    with pytest.raises(SecretLocked, match="the key file is missing") as told:
        Seals([], "the key file is missing").seal("p1", PLAIN, SECRETS)
    assert "key-file replace" in told.value.hint


def test_a_secret_that_is_entered_again_unchanged_stays_as_it_stands() -> None:
    seals = Seals([ONE])
    before = seals.seal("p1", PLAIN, SECRETS)
    assert seals.seal("p1", PLAIN, SECRETS, before=before) == before
    assert seals.seal("p1", PLAIN | {"api_key": "other"}, SECRETS, before=before) != before


def test_after_a_rotation_only_the_new_key_opens() -> None:
    before = Seals([ONE]).seal("p1", PLAIN, SECRETS)
    after = Seals([TWO, ONE]).renewed("p1", before, SECRETS)
    assert Seals([TWO]).open("p1", after) == PLAIN
    with pytest.raises(SecretLocked):
        Seals([ONE]).open("p1", after)
    assert Seals([TWO]).renewed("p1", after, SECRETS) == after


def test_what_cannot_be_opened_is_kept_for_the_key_that_may_come_back() -> None:
    before = Seals([ONE]).seal("p1", PLAIN, SECRETS)
    assert Seals([TWO]).renewed("p1", before, SECRETS) == before
    assert Seals([], "lost").renewed("p1", before, SECRETS) == before


def test_of_a_driver_that_nobody_knows_everything_is_sealed_until_it_is_back() -> None:
    seals = Seals([ONE])
    closed = seals.renewed("p1", PLAIN, None)
    assert all(isinstance(value, Sealed) for value in closed.values())
    back = seals.renewed("p1", closed, SECRETS)
    assert back["url"] == PLAIN["url"]
    assert isinstance(back["api_key"], Sealed)


def test_nobody_can_pass_a_sealed_value_off_as_a_field_of_a_form() -> None:
    with pytest.raises(BadConnectionSettings):
        Seals([ONE]).seal("p1", {"url": {MARK: "x.y"}}, SECRETS)
    told = connection_json(Seals([ONE]).seal("p1", {"api_key": {MARK: "x.y"}}, SECRETS))
    assert Seals([ONE]).open("p1", connection_from(told)) == {"api_key": {MARK: "x.y"}}
