"""What a farm measures of itself, and what alerts and dashboards may ask of it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from buildplate.access.model import Role
from tests.architecture.source import ROOT
from tests.service.api.surface import Surface

OWED = ("printfarm_jobs_total", "printfarm_jobs_duration_seconds", "printfarm_printer_utilization")
RULES = ROOT / "deploy" / "prometheus" / "buildplate.rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "buildplate.json"
NAME = re.compile(r"\b(?:buildplate|printfarm|process)_[a-z_]+\b")


async def samples(surface: Surface) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    answer = await surface.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found: dict[Any, float], metric: str, /, **labels: str) -> float:
    return found[metric, tuple(sorted(labels.items()))]


async def test_the_metrics_need_a_key_and_a_viewers_will_do(surface: Surface) -> None:
    async with surface.with_key(None) as nobody, await surface.caller(Role.VIEWER) as viewer:
        for path in ("/metrics", "/metrics/", "/health/detailed", "/health/detailed/"):
            assert (await nobody.get(path)).status_code == 401, path
            assert (await viewer.get(path)).status_code == 200, path


async def test_a_print_is_counted_from_its_order_to_its_end(surface: Surface) -> None:
    host, print_ = await surface.running()
    found = await samples(surface)
    assert value(found, "printfarm_jobs_total", status="received") == 1
    assert value(found, "printfarm_jobs_total", status="completed") == 0
    assert value(found, "buildplate_prints_active") == 1
    assert value(found, "buildplate_queue_depth") == 0
    vitals = surface.farm.vitals
    vitals.sample()
    await host.finish()
    await surface.until_print(print_["id"], state="completed")
    async with asyncio.timeout(5):  # the books are read once a second
        while value(found, "printfarm_jobs_total", status="completed") != 1:
            await asyncio.sleep(0.05)
            found = await samples(surface)
    assert value(found, "printfarm_jobs_duration_seconds_count") == 1
    assert value(found, "printfarm_jobs_duration_seconds_sum") > 0
    label = {"number": "1", "name": "Left"}
    assert 0 < value(found, "printfarm_printer_utilization", **label) <= 100
    assert value(found, "buildplate_print_transition_seconds_count") >= 3
    assert value(found, "buildplate_database_commit_seconds_count") >= 3
    assert value(found, "buildplate_http_requests_total", method="POST", status="2xx") >= 3


async def test_each_printer_shows_its_state_once_and_how_often_its_link_broke(
    surface: Surface,
) -> None:
    await surface.printer()
    label = {"number": "1", "name": "Left"}
    found = await samples(surface)
    assert value(found, "buildplate_printer_link", **label, state="online") == 1
    assert value(found, "buildplate_printer_reconnects_total", **label) == 0
    await surface.floor["Left"].vanish()
    await surface.until(1, link="offline")
    found = await samples(surface)
    assert value(found, "buildplate_printer_link", **label, state="offline") == 1
    assert [key for key in found if key[0] == "buildplate_printer_link"] == [
        ("buildplate_printer_link", tuple(sorted({**label, "state": "offline"}.items())))
    ]
    assert value(found, "buildplate_printer_reconnects_total", **label) >= 1


async def test_the_number_of_series_grows_with_printers_alone(surface: Surface) -> None:
    await surface.printer()
    before = len(await samples(surface))
    for n in range(20):
        await surface.client.get(f"/api/v1/printers/{n}/{'x' * n}")
        await surface.client.request(f"ODD{chr(65 + n)}", "/api/v1/jobs")
        await surface.job(name=f"job {n}")
    after = await samples(surface)
    methods = {dict(labels).get("method") for name, labels in after if "http_requests" in name}
    assert methods <= {None, "GET", "POST", "other"}
    # Prints that wait, and a few kinds of requests, make no series of their own.
    assert len(after) <= before + 10


async def test_a_printers_name_breaks_no_line(surface: Surface) -> None:
    await surface.printer('Le"ft\\ {one}')
    found = await samples(surface)
    assert [dict(k[1])["name"] for k in found if k[0] == "buildplate_printer_link"] == [
        'Le"ft\\ {one}'
    ]


async def test_metrics_and_health_answer_while_the_database_hangs(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    await surface.printer()

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(surface.farm.storage, "read", never)
    async with asyncio.timeout(10):
        for path, status in (("/metrics", 200), ("/health/detailed", 503), ("/health", 503)):
            begun = asyncio.get_running_loop().time()
            answer = await surface.client.get(path)
            assert answer.status_code == status
            assert asyncio.get_running_loop().time() - begun < 1.0, path
    assert "buildplate_database_up 0.0" in (await surface.client.get("/metrics")).text


async def test_health_answers_while_the_disk_hangs(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = asyncio.Event()

    async def never() -> None:
        await hang.wait()

    monkeypatch.setattr(surface.app.state.checks.room, "_ask", never)
    begun = asyncio.get_running_loop().time()
    answer = (await surface.client.get("/health/detailed")).json()
    assert asyncio.get_running_loop().time() - begun < 1.0
    assert answer["storage"] == {"status": "down", "free_bytes": None, "total_bytes": None}


async def test_the_first_who_ask_at_once_all_get_the_answer(surface: Surface) -> None:
    async with surface.with_key(None) as anybody:
        answers = await asyncio.gather(*(anybody.get("/health") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {200}


async def test_the_detailed_health_names_each_part_and_each_printer(surface: Surface) -> None:
    await surface.printer()
    await surface.printer("Right")
    await surface.floor["Right"].vanish()
    await surface.until(2, link="offline")
    answer = (await surface.client.get("/health/detailed")).json()
    assert answer["status"] == "degraded"
    assert answer["database"]["status"] == "ok"
    assert answer["database"]["size_bytes"] > 0
    assert answer["storage"]["free_bytes"] > 0
    assert answer["queue"] == {"waiting": 0, "active": 0}
    left, right = answer["each_printer"]
    assert (left["name"], left["status"], left["link"]) == ("Left", "ok", "online")
    assert (right["name"], right["status"], right["link"]) == ("Right", "degraded", "offline")
    assert right["problem"]
    assert right["hint"]
    assert right["lost_links"] >= 1


async def _known(surface: Surface) -> set[str]:
    await surface.running()
    return {name for name, _ in await samples(surface)}


def _rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


async def test_every_metric_of_the_alert_rules_exists(surface: Surface) -> None:
    known = await _known(surface)
    rules = list(_rules())
    assert len({rule["alert"] for rule in rules}) == len(rules) > 8
    for rule in rules:
        named = set(NAME.findall(rule["expr"]))
        assert named or "up{" in rule["expr"]
        assert named <= known, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


async def test_every_metric_of_the_dashboard_exists(surface: Surface) -> None:
    known = await _known(surface)
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) > 8
    for panel in board["panels"]:
        for target in panel["targets"]:
            named = set(NAME.findall(target["expr"]))
            assert named, panel["title"]
            assert named <= known, panel["title"]


@pytest.mark.parametrize("name", OWED)
async def test_the_owed_metrics_are_there(surface: Surface, name: str) -> None:
    await surface.printer()
    answer: httpx.Response = await surface.client.get("/metrics")
    assert re.search(rf"^# TYPE {re.escape(name)}", answer.text, re.MULTILINE)


def test_the_scrape_configuration_names_the_path() -> None:
    path = Path(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    scrape = yaml.safe_load(path.read_text(encoding="utf-8"))["scrape_configs"][0]
    assert scrape["metrics_path"] == "/metrics"
    assert scrape["job_name"] == "buildplate"


async def test_the_page_of_metrics_lists_exactly_those_there_are(surface: Surface) -> None:
    await surface.printer()
    text = (await surface.client.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    page = (ROOT / "docs" / "reference" / "observability.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    made = {name for name in there if name.endswith("_created")}
    own = {name for name in there - made if name.startswith(("buildplate_", "printfarm_"))}
    assert own == listed
