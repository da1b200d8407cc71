"""A viewer looks: nothing that changes the farm is offered, and what is sent anyway is refused."""

from __future__ import annotations

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.chrome import NO_GESTURE, Visit
from tests.browser.conftest import Opener
from tests.browser.furnished import Furnished
from tests.browser.openings import OPENINGS
from tests.browser.pages import is_loaded, page_links
from tests.browser.roles import (
    BEYOND,
    CLOSED,
    FORBIDDEN,
    LANGUAGES,
    NOT_FOUND,
    OPEN_TO_VIEWERS,
    THEIR_OWN,
    control,
    is_closed,
    judged_routes,
    offered,
    press_everything,
    ready,
    usable,
)
from tests.browser.routes import OPEN, closed_routes, known_routes
from tests.browser.site import Farm, long_print

pytestmark = pytest.mark.asyncio(loop_scope="package")
PRINTS = "octo-001"
# Pages of a viewer that only tell.
NOTHING_TO_PRESS = {"/settings/about"}
# Puts a button into the page that sends something half a second after it is pressed.
SENDS_LATER = """document.addEventListener("DOMContentLoaded", () => {
  const button = document.createElement("button");
  button.textContent = "Stop it later";
  const send = () => fetch("/api/v1/queue/stop", { method: "POST" });
  button.addEventListener("click", () => setTimeout(send, 500));
  new MutationObserver(() => {
    const main = document.querySelector("main");
    if (main && !main.contains(button)) main.append(button);
  }).observe(document, { subtree: true, childList: true });
});"""
MANY_BUTTONS = """document.addEventListener("DOMContentLoaded", () => {
  const buttons = document.createElement("p");
  for (let n = 0; n < 100; n += 1) {
    buttons.append(Object.assign(document.createElement("button"), { textContent: `One of ${n}` }));
  }
  new MutationObserver(() => {
    const main = document.querySelector("main");
    if (main && !main.contains(buttons)) main.append(buttons);
  }).observe(document, { subtree: true, childList: true });
});"""
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


@pytest.mark.timeout(300)
async def test_what_opens_for_a_viewer_offers_nothing_that_changes_the_farm(
    furnished: Furnished, visit: Opener
) -> None:
    ann, acts = await visit(furnished.farm, "viewer"), await visit(furnished.farm, "admin")
    ann.expects(NO_GESTURE)
    before = changes(ann)
    found, offered_too = {}, []
    for one in OPENINGS:
        if one.what in OPEN_TO_VIEWERS:
            await ready(ann, one, furnished.names)
            await one.open(ann)
            found[one.what] = await usable(one.shown(ann))
        elif not await is_closed(ann, acts, one, furnished.names):
            offered_too.append(one.what)
        for person in (ann, acts):
            await person.page.unroute_all(behavior="ignoreErrors")
    assert offered_too == [], "say in roles.py what a viewer may use in it"
    assert set(found) == set(OPEN_TO_VIEWERS)
    more = {
        what: [name for name in names if not is_named(ann, name, OPEN_TO_VIEWERS[what])]
        for what, names in found.items()
    }
    assert {what: names for what, names in more.items() if names} == {}
    assert changes(ann) == before


def is_named(ann: Visit, name: str, keys: tuple[str, ...]) -> bool:
    """Whether the name is one of these, whatever the parameters."""
    return name in LANGUAGES or any(ann.pattern(key).fullmatch(name) for key in keys)


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
        assert pressed or path in NOTHING_TO_PRESS, f"{path}: nothing was pressed"
        assert changes(ann) == before, f"{path}: after one of {pressed}"


def changes(ann: Visit) -> list[str]:
    """What was changed of the farm: one's own sessions are one's own to end."""
    return [one for one in ann.changes if "/api/v1/me/sessions" not in one]


async def test_pressing_everything_finds_what_is_sent_a_little_later(
    farm: Farm, visit: Opener
) -> None:
    ann = await visit(farm, "viewer")
    ann.expects(r"403 \(Forbidden\) .*/api/v1/queue/stop")
    await ann.page.add_init_script(SENDS_LATER)
    before = changes(ann)
    pressed = await press_everything(ann, "/queue")
    assert "Stop it later" in pressed
    assert changes(ann) == [*before, "POST /api/v1/queue/stop"]


async def test_pressing_leaves_nothing_out_in_silence(farm: Farm, visit: Opener) -> None:
    ann = await visit(farm, "viewer")
    await ann.page.add_init_script(MANY_BUTTONS)
    with pytest.raises(AssertionError, match=r"/queue: too much to press"):
        await press_everything(ann, "/queue")


async def test_every_route_is_judged_and_closed_to_those_it_says() -> None:
    assert judged_routes() == known_routes() - OPEN - {NOT_FOUND}
    assert set(CLOSED) == closed_routes()


async def test_the_server_refuses_a_viewer_whatever_the_page_sends(
    farm: Farm, visit: Opener, ids: dict[str, str]
) -> None:
    ann = await visit(farm, "viewer")
    ann.expects(r"403 \(Forbidden\)")
    async with farm.api.http.get(f"{farm.url}/openapi.json") as document:
        known = await document.json()
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
