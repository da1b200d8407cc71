"""Addresses of cameras are shown to viewers, so what lets one in is left out of them."""

from __future__ import annotations

import pytest

from buildplate.api.controls import equipment_view
from buildplate.drivers.sdk import CameraAddress, Equipment


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("rtsp://admin:secret@cam.local/live", "rtsp://cam.local/live"),
        ("http://u:p@ss@10.0.0.5:8080/?action=stream", "http://10.0.0.5:8080/?action=stream"),
        ("//u:p@cam", "//cam"),
        ("/webcam/?action=snapshot", "/webcam/?action=snapshot"),
        ("http://cam/a@b", "http://cam/a@b"),
    ],
)
def test_a_camera_s_address_is_shown_without_user_and_password(told: str, shown: str) -> None:
    view = equipment_view(Equipment(cameras=(CameraAddress("front", told, told),)), [])
    assert (view["cameras"][0]["stream"], view["cameras"][0]["snapshot"]) == (shown, shown)
