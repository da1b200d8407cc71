"""What a Moonraker says, in its own words: old ones, new ones, and nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildplate.drivers.moonraker import answers, equipment, levels
from buildplate.drivers.moonraker.answers import Klippy, Row, State, Stats
from buildplate.drivers.moonraker.rpc import Said, read_message
from buildplate.drivers.sdk import (
    AuthRequired,
    BedMesh,
    CameraAddress,
    DriverError,
    HostConfused,
    Levels,
    PowerDevice,
    PrintObject,
    Suggestion,
    Temperature,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FOUND: dict[str, dict[str, Any]] = {
    "extruder": {"temperature": 210.2, "target": 210.0},
    "heater_bed": {"temperature": 60, "target": 60},
    "heater_generic chamber": {"temperature": 31.5, "target": 0.0},
    "temperature_sensor mcu": {"temperature": 44.0, "target": None},
    "toolhead": {"homed_axes": "xyz", "extruder": "extruder"},
    "gcode_move": {
        "gcode_position": [1.0, 2.0, 0.3, 55.0],
        "homing_origin": [0.0, 0.0, -0.05, 0.0],
        "speed_factor": 1.5,
        "extrude_factor": 0.95,
    },
    "fan": {"speed": 0.4},
    "fan_generic filter": {"speed": 7},
    "print_stats": {"state": "printing", "info": {"current_layer": 3, "total_layer": 120}},
}


def read_levels(found: dict[str, dict[str, Any]], names: Mapping[str, str]) -> Levels:
    return levels.read_levels(found, levels.read_still(found, names))


def everywhere(said: Any) -> dict[str, dict[str, Any]]:
    """A machine all of whose fields say the same."""
    return {
        name: {field: answers.plain(said) for field in levels.fields_of(name)} for name in FOUND
    }


def test_the_heaters_have_the_names_that_people_know() -> None:
    names = levels.names_of(FOUND)
    assert levels.temperatures(FOUND, names, FOUND) == {
        "tool0": Temperature(210.2, 210.0),
        "bed": Temperature(60.0, 60.0),
        "chamber": Temperature(31.5, 0.0),
        "mcu": Temperature(44.0, None),
    }


def test_two_of_one_name_keep_their_kind_but_for_the_heater() -> None:
    names = levels.names_of(["temperature_sensor chamber", "heater_generic chamber", "extruder3"])
    assert names == {
        "heater_generic chamber": "chamber",
        "temperature_sensor chamber": "temperature_sensor chamber",
        "extruder3": "tool3",
    }
    assert levels.heater_of("chamber", names) == "heater_generic chamber"


def test_the_levels_are_read_in_their_units() -> None:
    found = read_levels(FOUND, levels.names_of(FOUND))
    assert found.position == {"x": 1.0, "y": 2.0, "z": 0.3}
    assert (found.homed, found.speed, found.flow, found.z_offset) == ("xyz", 1.5, 0.95, -0.05)
    assert found.fans == {"part": 0.4, "filter": 1.0}
    assert (found.layer, found.layers) == (3, 120)


def test_an_old_klipper_without_all_that_says_nothing_of_it() -> None:
    found = read_levels({}, {})
    assert (found.homed, found.layer, found.z_offset, dict(found.position)) == (
        None,
        None,
        None,
        {},
    )
    assert levels.temperatures({"extruder": {}}, {}, ["extruder", "gone"]) == {}
    assert answers.read_working({}) is None
    assert answers.read_stats({}) is None


@pytest.mark.parametrize(
    ("found", "working"),
    [
        ({"idle_timeout": {"state": "Printing"}}, True),
        ({"idle_timeout": {"state": "Ready"}}, False),
        ({"idle_timeout": {"state": "Idle"}}, False),
        ({"toolhead": {"print_time": 9.5, "estimated_print_time": 9.0}}, True),
        ({"toolhead": {"print_time": 9.5, "estimated_print_time": 10.0}}, False),
        ({"idle_timeout": {}, "toolhead": {"print_time": "soon"}}, None),
    ],
)
def test_the_head_is_idle_only_when_klipper_says_so(
    found: dict[str, Any], *, working: bool | None
) -> None:
    assert answers.read_working(found) is working


def test_only_what_a_machine_has_is_listened_to() -> None:
    chosen = levels.subscription(["webhooks", "print_stats", "toolhead", "configfile", "mcu"])
    assert chosen.keys() == {"webhooks", "print_stats", "toolhead"}
    assert "print_time" in chosen["toolhead"]
    assert "print_time" not in levels.subscription(["toolhead", "idle_timeout"])["toolhead"]
    many = levels.subscription(["print_stats", *(f"temperature_sensor s{n}" for n in range(500))])
    assert len(many) == levels.OBJECTS_LIMIT
    assert "print_stats" in many


def test_states_that_are_not_known_are_no_known_ones() -> None:
    assert answers.read_stats({"print_stats": {"state": "dreaming"}}) == Stats(State.OTHER)
    assert answers.read_klippy({"state": "dreaming", "state_message": " two\n lines "}) == (
        Klippy.OTHER,
        "two lines",
    )


def test_jobs_are_numbered_in_hexadecimal() -> None:
    job = {"job_id": "0000FF", "filename": "a", "status": "completed", "start_time": 5.0}
    assert answers.read_row(job) == Row(255, "a", "completed", 5.0, None, None)


@pytest.mark.parametrize(
    "read",
    [
        answers.read_rows,
        answers.read_row,
        answers.read_files,
        answers.read_objects,
        answers.read_status,
        lambda said: answers.read_stats({"print_stats": said}),
        lambda said: answers.read_stats({"print_stats": {"state": said}}),
        lambda said: answers.read_row({"job_id": said, "filename": "a", "status": "b"}),
        lambda said: answers.object_of(said, "itself"),
        answers.other_starters,
        lambda said: answers.read_klippy({"state": said, "state_message": said}),
        lambda said: answers.read_progress({"virtual_sdcard": said}, Stats(State.PRINTING)),
        lambda said: answers.read_working({"idle_timeout": said, "toolhead": said}),
        lambda said: read_levels(everywhere(said), {}),
        lambda said: levels.temperatures({"extruder": {"temperature": said}}, {}, ["extruder"]),
        lambda said: equipment.read_parts({"exclude_object": {"objects": said}}),
        lambda said: equipment.read_parts({"exclude_object": {"excluded_objects": said}}),
        lambda said: equipment.read_mesh({"bed_mesh": said}),
        lambda said: equipment.read_mesh({"bed_mesh": {"mesh_min": said, "probed_matrix": [said]}}),
        lambda said: equipment.read_cameras({"webcams": [said]}),
        lambda said: equipment.read_power({"devices": said}),
        equipment.read_suggestions,
    ],
)  # fmt: skip
@given(said=JSON)
@settings(max_examples=25)
def test_a_lie_in_types_is_confusion_and_no_crash(read: Any, said: Any) -> None:
    try:
        read(said)
    except DriverError as error:
        assert isinstance(error, HostConfused)  # noqa: PT017 (anything else is raised as it is)


@pytest.mark.parametrize("message", ["", "{", "[]", "7", '"x"', "null", "\udcff"])
def test_what_is_no_message_is_confusion(message: str) -> None:
    with pytest.raises(HostConfused):
        read_message(message.encode(errors="surrogateescape"))


def test_a_nul_of_a_noisy_line_is_told_as_what_no_database_refuses() -> None:
    assert read_message(b'{"a": "b\\u0000c"}') == {"a": "b\ufffdc"}


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (-32602, "Unauthorized", AuthRequired),
        (-32602, "Invalid API Key", AuthRequired),
        (401, "Unauthorized", AuthRequired),
        (-32602, "Invalid params: []", HostConfused),
        (500, "Klippy Request Timed Out", HostConfused),
    ],
)
def test_a_refused_read_says_whether_it_is_our_key(
    code: int, words: str, kind: type[DriverError]
) -> None:
    assert type(Said(code, words).as_error()) is kind


def test_what_a_panel_offers_is_read_from_what_moonraker_says() -> None:
    status = {
        "exclude_object": {
            "objects": [{"name": "A", "polygon": [[0, 0], [5, 0], [5, 5]]}, {"name": "B"}, {}],
            "excluded_objects": ["B"],
            "current_object": "A",
        },
        "bed_mesh": {
            "profile_name": "default",
            "mesh_min": [5.0, 5.0],
            "mesh_max": [200.0, 200.0],
            "probed_matrix": [[0.0, 0.1], [0.2, -0.1]],
        },
    }
    assert equipment.read_parts(status) == (
        PrintObject("A", current=True, outline=((0.0, 0.0), (5.0, 0.0), (5.0, 5.0))),
        PrintObject("B", excluded=True),
    )
    mesh = BedMesh("default", (5.0, 5.0), (200.0, 200.0), [[0.0, 0.1], [0.2, -0.1]])
    assert equipment.read_mesh(status) == mesh
    assert equipment.read_mesh({"bed_mesh": {"mesh_min": [0, 0], "mesh_max": [0, 0]}}) is None
    top = {"name": "top", "stream_url": "/webcam", "rotation": 90, "flip_horizontal": True}
    webcams = {"webcams": [top, {"name": "off", "enabled": False}]}
    assert equipment.read_cameras(webcams) == (
        CameraAddress("top", "/webcam", "", rotation=90, mirrored=True),
    )
    supply = {"device": "psu", "status": "on", "locked_while_printing": True}
    power = {"devices": [supply, {"device": "lamp", "status": "error"}]}
    assert equipment.read_power(power) == (
        PowerDevice("psu", on=True, locked=True),
        PowerDevice("lamp", on=None),
    )
    assert equipment.read_suggestions({"G28": "Home"}) == (Suggestion("G28", "Home"),)
    names = ["gcode_macro B", "gcode_macro _a", "gcode", "gcode_macro A"]
    assert equipment.read_macros(names) == ("A", "B")


@pytest.mark.parametrize(
    ("config", "warnings"),
    [
        ({"job_queue": {"automatic_transition": True}}, 1),
        ({"job_queue": {"load_on_startup": True}}, 1),
        ({"job_queue": {"automatic_transition": False}}, 0),
        ({"simplyprint": {}}, 1),
        ({"server": {}}, 0),
    ],
)
def test_whatever_else_starts_prints_is_warned_of(config: dict[str, Any], warnings: int) -> None:
    assert len(answers.other_starters({"config": config})) == warnings


def test_what_is_kept_of_a_field_is_bounded() -> None:
    kept = answers.plain({str(n): "x" * 9000 for n in range(9000)})
    assert len(orjson.dumps(kept)) < 20_000
    assert answers.plain(["x" * 9000] * 9000) == ["x" * 1000] * 16
    assert answers.plain([[1]]) == [None]
