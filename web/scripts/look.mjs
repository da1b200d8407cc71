// Takes pictures of every page in both themes, on a desktop and a phone: to be looked at. Says what
// axe finds wrong on them; exits with 1 where that is anything.
//   node scripts/look.mjs URL NAME PASSWORD FOLDER
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "playwright-core";

const [url, name, password, folder = "/tmp/looks"] = process.argv.slice(2);
if (!password) {
  console.error("usage: node scripts/look.mjs URL NAME PASSWORD [FOLDER]");
  process.exit(2);
}
const SETTINGS = "appearance account printers places users keys backups audit about".split(" ");
const PAGES = {
  farm: "/",
  "farm-table": "/?view=table",
  "farm-plan": "/?view=plan",
  "farm-wall": "/?view=wall",
  queue: "/queue",
  files: "/files",
  "printer-add": "/printers/add",
  history: "/history",
  "history-figures": "/history?view=figures",
  ...Object.fromEntries(SETTINGS.map((one) => [`settings-${one}`, `/settings/${one}`])),
  "not-found": "/nowhere",
};
const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
};
const AXE = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
let wrong = 0;

async function examine(page, what) {
  await page.evaluate(AXE); // past the page's policy, which lets nobody else's script in
  // The edge of a card is a pseudo-element; for it, axe would leave the card's contrast undecided.
  const checks = { "color-contrast": { options: { ignorePseudo: true } } };
  const { violations } = await page.evaluate((options) => globalThis.axe.run(options), { checks });
  for (const { id, help, nodes } of violations) {
    console.log(`axe, ${what}: ${id}: ${help}: ${nodes.map((one) => one.target).join(", ")}`);
  }
  wrong += violations.length;
}

mkdirSync(folder, { recursive: true });
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
for (const [screen, options] of Object.entries(SCREENS)) {
  for (const colorScheme of ["light", "dark"]) {
    const locale = screen === "phone" ? "de-DE" : "en-GB";
    const context = await browser.newContext({ ...options, colorScheme, locale });
    const page = await context.newPage();
    page.on("console", (said) => {
      if (["error", "warning"].includes(said.type())) console.log(`${said.type()}: ${said.text()}`);
    });
    page.on("pageerror", (error) => console.log(`error: ${error.message}`));
    const shoot = async (what) => {
      const name = `${what}-${screen}-${colorScheme}`;
      await page.screenshot({ path: join(folder, `${name}.png`) });
      await examine(page, name);
    };
    await page.goto(`${url}/queue?of=today`);
    await page.locator("form").waitFor();
    await shoot("sign-in");
    await page.locator("input").nth(0).fill(name);
    await page.locator("input").nth(1).fill("not the password");
    await page.locator("button[type=submit]").click();
    await page.locator("[role=alert]").first().waitFor();
    await shoot("sign-in-refused");
    await page.locator("input").nth(1).fill(password);
    await page.locator("button[type=submit]").click();
    await page.locator("nav").first().waitFor();
    const [file, job, printer] = await page.evaluate((kinds) => {
      const first = async (kind) =>
        (await (await fetch(`/api/v1/${kind}?limit=1`)).json()).items[0]?.id;
      return Promise.all(kinds.map(first));
    }, ["files", "jobs", "printers"]);
    if (job) PAGES.job = `/jobs/${job}`;
    if (printer) PAGES.printer = `/printers/${printer}`;
    if (file) {
      PAGES.layers = `/files/${file}/layers`;
      PAGES["layers-space"] = `${PAGES.layers}?view=space`;
      PAGES["layers-list"] = `${PAGES.layers}?view=list`;
    }
    for (const [what, path] of Object.entries(PAGES)) {
      await page.goto(url + path);
      await page.locator("nav").first().waitFor();
      await page.waitForTimeout(1500);
      await shoot(what);
    }
    await context.close();
  }
}
await browser.close();
process.exit(wrong ? 1 : 0);
