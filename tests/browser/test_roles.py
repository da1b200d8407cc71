"""A viewer looks: nothing that changes the farm is offered, and what is sent anyway is refused."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.chrome import Visit
from tests.browser.conftest import Opener
from tests.browser.pages import is_loaded, page_links
from tests.browser.roles import (
    BEYOND,
    CLOSED,
    FORBIDDEN,
    THEIR_OWN,
    control,
    controls,
    offered,
    press_everything,
)
from tests.browser.site import Farm, long_print

pytestmark = pytest.mark.asyncio(loop_scope="package")
PRINTS = "octo-001"
WRITES = ("post", "put", "patch", "delete")
# Sends each as a page would, with the session and its token; what was answered.
SEND = """async (operations) => {
  const { csrf_token } = await (await fetch("/api/v1/me")).json();
  const headers = { "x-csrf-token": csrf_token, "tus-resumable": "1.0.0" };
  const answers = [];
  for (const [method, path] of operations) {
    const answer = await fetch(path, { method, headers });
    const told = await answer.json().catch(() => ({}));
    answers.push([method, path, answer.status, told.code]);
  }
  return answers;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def ids(farm: Farm) -> dict[str, str]:
    """What there is on the farm to be changed, by the names that the API's paths have for it."""
    file = await farm.api.upload(long_print(minutes=1), "teapot.gcode")
    await farm.api.call("POST", "/groups", {"name": "Attic"})
    job = await farm.job(file, "Vase", hold=True)
    printers = (await farm.api.call("GET", "/printers"))["items"]
    (print_,) = (await farm.api.call("GET", f"/prints?job={job['id']}"))["items"]
    return {
        "printer_id": next(one["id"] for one in printers if one["name"] == PRINTS),
        "job_id": job["id"],
        "print_id": print_["id"],
        "file_id": file,
    }


async def is_offered_to_an_administrator_alone(
    looks: Visit, acts: Visit, keys: tuple[str, ...], where: str
) -> None:
    for key in keys:
        await expect(control(acts, key).first, f"{where}: {key}").to_be_attached()
    assert await offered(looks, keys) == set(), f"{where}: offered to a viewer"


async def test_a_viewer_is_offered_nothing_that_changes_the_farm(
    farm: Farm, visit: Opener, ids: dict[str, str]
) -> None:
    looks, acts = await visit(farm, "viewer"), await visit(farm, "admin")
    assert set(await page_links(looks)) <= set(FORBIDDEN), "say in roles.py what is forbidden there"
    for path, keys in (FORBIDDEN | BEYOND).items():
        for person in (looks, acts):
            await person.go(path.format(**ids))
            await is_loaded(person)
        await is_offered_to_an_administrator_alone(looks, acts, keys, path)


async def test_a_viewer_reads_a_file_and_is_offered_no_print_of_it_and_no_deletion(
    farm: Farm, visit: Opener, ids: dict[str, str]
) -> None:
    assert ids
    looks, acts = await visit(farm, "viewer"), await visit(farm, "admin")
    for person in (looks, acts):
        await person.go("/files")
        await person.main.get_by_role("button", name="teapot.gcode", exact=True).click()
        await expect(person.page.get_by_role("dialog")).to_contain_text(person.say("files.size"))
    keys = ("files.print_ask", "files.delete_ask")
    await is_offered_to_an_administrator_alone(looks, acts, keys, "a file")


async def test_a_viewer_is_led_away_from_what_only_administrators_see(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "viewer")
    for path in CLOSED:
        await ann.go(path)
        await expect(ann.heading("farm.title")).to_be_visible()
        await expect(ann.page).to_have_url(f"{farm.url}/")


async def test_whatever_a_viewer_presses_changes_nothing(
    farm: Farm, visit: Opener, ids: dict[str, str]
) -> None:
    ann = await visit(farm, "viewer")
    for path in [*await page_links(ann), *(path.format(**ids) for path in BEYOND)]:
        before = changes(ann)
        pressed = await press_everything(ann, path)
        assert changes(ann) == before, f"{path}: after one of {pressed}"


def changes(ann: Visit) -> list[str]:
    """What was changed of the farm: one's own sessions are one's own to end."""
    return [one for one in ann.changes if "/api/v1/me/sessions" not in one]


async def test_pressing_everything_does_find_what_changes_something(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm)
    ann.expects(r"401 \(Unauthorized\)", r"422 ")
    await ann.go("/")
    await ann.field("sign-in.name").fill("nobody")
    await ann.field("sign-in.password").fill("nothing at all")
    await (await controls(ann))[ann.say("sign-in.do")].click()
    await expect(ann.page.get_by_role("alert")).to_be_visible()
    assert ann.changes == ["POST /api/v1/auth/login"]


async def test_the_server_refuses_a_viewer_whatever_the_page_sends(
    farm: Farm, visit: Opener, ids: dict[str, str]
) -> None:
    ann = await visit(farm, "viewer")
    ann.expects(r"403 \(Forbidden\)")
    known = await ann.page.evaluate("async () => (await fetch('/openapi.json')).json()")
    operations = [
        [method.upper(), path.format_map(Filled(ids))]
        for path, operation in known["paths"].items()
        for method in operation
        if method in WRITES and path.startswith("/api/v1/") and not THEIR_OWN.search(path)
    ]
    assert len(operations) > len(ids)
    answers = await ann.page.evaluate(SEND, operations)
    let_in = [one for one in answers if one[2:] != [403, "role_too_low"]]
    assert let_in == []


class Filled(dict[str, str]):
    """The ids that there are; another is one that nothing has."""

    def __missing__(self, key: str) -> str:
        return "1"
