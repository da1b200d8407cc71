"""The web UI as people use it: chromium on a real `buildplate serve` with simulated OctoPrints.

Where is what:

- `chrome.py`: finds chromium, starts it, and opens *visits*: somebody at a screen of their own. A
  visit fails its test when the page wrote an error or a warning to its console, broke the server's
  policy (CSP), threw, or asked another host; what a test provokes it announces (`visit.expects`).
- `site.py`: a server process on a folder and a port of its own, which can be stopped, frozen and
  started again there; its people and its simulated printers.
- `pages.py`: what is on the pages, found as people find it: by role and name. Words come from the
  UI's own messages (`web/src/i18n`), so a test names `shell.theme` and runs in every language.
- `screens.py`: a desktop and a phone, an English and a German reader.
- `openings.py`: how every dialog, drawer and menu is opened. **A new one adds its line there**, and
  in `roles.py` where a viewer opens it.
- `axe.py`: `examine(page, what)` runs axe-core light and dark, on a desktop and on a phone.
- `roles.py`: what a viewer must not find on each page. **A new page adds its line there.**
- `workshop.py`: a farm whose time runs faster and whose printers are taken, not shared: for tests
  that print, resolve, pause and reorder.
- `conftest.py`: the fixtures: `browser`, `farm` and `shop` (one of each for the folder), `visit`.

A test of a new page:

```python
pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_job_is_held(farm: Site, visit: Opener) -> None:
    ann = await visit(farm, "operator", path="/queue")
    await ann.button("queue.hold").click()
    await expect(ann.main).to_contain_text(ann.say("queue.held"))
```

All tests of this folder share one event loop, because the browser lives in it: hence the
`loop_scope`. The `farm` is shared, too: a test that changes more than it puts back starts a `Site`
of its own. What moves is awaited with playwright's `expect`, never with a pause.

`python -m tests.browser FOLDER` takes the pictures of the documentation (`make screenshots`).

Without chromium the tests are skipped (in CI that is a failure): `apt install chromium`, or name a
program in BUILDPLATE_CHROMIUM. A test that fails leaves a picture beside its temporary files.
"""
