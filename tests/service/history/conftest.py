"""A whole farm with printers on paper."""

from tests.service.api.conftest import surface

__all__ = ["surface"]
