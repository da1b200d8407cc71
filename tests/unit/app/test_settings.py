"""Settings are parsed once; what is wrong is named, with what to do."""

from pathlib import Path

import pytest

from buildplate.app.settings import Settings, SettingsError, known_names, load_settings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in known_names():
        monkeypatch.delenv(name, raising=False)


def test_an_unknown_setting_names_the_nearest_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDPLATE_DATADIR", "x")
    with pytest.raises(SettingsError, match="BUILDPLATE_DATA_DIR"):
        load_settings()


def test_an_unknown_setting_in_the_env_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BUILDPLATE_TRANSFER=3\n")
    with pytest.raises(SettingsError, match="BUILDPLATE_TRANSFERS"):
        load_settings()


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "4001")
    assert load_settings(port=4002).port == 4002
    assert load_settings().port == 4001


def test_a_database_url_as_people_write_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///farm/rows.db")
    assert load_settings().database_path == Path("farm/rows.db")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_a_postgresql_url_as_people_write_it_is_taken(scheme: str) -> None:
    settings = Settings(database_url=f"{scheme}://me:hunter2@host:5432/db?sslmode=require")
    assert settings.database == settings.database_url
    with pytest.raises(SettingsError, match="not in a file"):
        _ = settings.database_path
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:hunter2@host/db",
        "me:hunter2@host/db",
        "postgresql://me:hunter2#@host/db",
        "postgresql://me:hunter2/@host/db",
        "postgresql://me:hunter2@host/db?sslmod=require",
        "postgresql://me:hunter2@host/db?connect_timeout=soon",
        "postgresql://me:hunter2@host/db?channel_binding=require",
        "postgresql://me:hunter2@[host/db",
        "sqlite:///",
    ],
)
def test_a_database_that_can_not_be_right_is_refused_without_showing_its_password(
    url: str,
) -> None:
    with pytest.raises(SettingsError) as refused:
        _ = Settings(database_url=url).database
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["JWT_SECRET_KEY", "BUILDPLATE_JWT_PREVIOUS_SECRET_KEY"])
def test_a_secret_that_can_be_guessed_is_refused_and_none_is_shown(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "hunter2")
    with pytest.raises(SettingsError, match="32 characters") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)
    monkeypatch.setenv(name, "hunter2" * 5)
    assert "hunter2" not in repr(load_settings())


def test_a_port_out_of_range_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "70000")
    with pytest.raises(SettingsError, match="port"):
        load_settings()


def test_the_port_is_4000_where_nobody_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PORT", raising=False)
    assert load_settings().port == 4000
