"""The key file: its owner's alone, whole or not there, never written over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from buildplate.app.key_file import HEAD, KeyFile, KeyFileError, KeyFileMissing


def test_what_was_made_is_read_again_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    made = file.make()
    assert file.read() == made
    assert [len(key) for key in made] == [32]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]


def test_a_key_is_never_made_over_another(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    made = file.make()
    with pytest.raises(KeyFileError):
        file.make()
    assert file.read() == made


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    assert KeyFile(tmp_path / "a").make() != KeyFile(tmp_path / "b").make()


def test_a_key_is_on_the_disk_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    file = KeyFile(tmp_path / "secrets.key")
    file.make()
    assert synced[0].startswith("secrets.key.")
    assert synced[1] == tmp_path.name
    file.replace(file.read())
    assert len(synced) == 4


def test_a_replacement_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    made = file.make()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyFileError, match="No space left"):
        file.replace([b"2" * 32])
    assert file.read() == made
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.key"]


def test_a_missing_file_is_told_as_missing(tmp_path: Path) -> None:
    with pytest.raises(KeyFileMissing, match=r"secrets\.key is missing"):
        KeyFile(tmp_path / "secrets.key").read()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"AAAA",
        HEAD.encode() + b"\n",
        HEAD.encode() + b"\nAAAA\n",
        HEAD.encode() + b"\nnot base64 at all\n",
        b"\xff" * 100_000,
    ],
)
def test_a_file_that_holds_no_keys_is_refused_without_telling_what_is_in_it(
    tmp_path: Path, content: bytes
) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    file.path.write_bytes(content)
    with pytest.raises(KeyFileError) as told:
        file.read()
    assert str(told.value) == f"{file.path} is no key file of Buildplate"


def test_a_file_that_others_may_read_is_noticed_and_closed(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    file.make()
    assert not file.open_to_others()
    file.path.chmod(0o640)
    assert file.open_to_others()
    assert file.close_to_others()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_file_is_set_aside_whole(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "secrets.key")
    assert file.set_aside() is None
    made = file.make()
    aside = file.set_aside()
    assert aside is not None
    assert KeyFile(aside).read() == made
    assert not file.path.exists()
