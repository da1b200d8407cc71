"""The farm that the tests of backups are about."""

from tests.service.api.conftest import surface

__all__ = ["surface"]
