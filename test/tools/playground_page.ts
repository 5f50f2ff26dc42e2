/** What a visitor of the playground sees and does, in a real browser. Run by `test/tools/browser.ts`. */
import axe from "axe-core";
import type { BrowserContext, Locator, Page } from "playwright-core";
import { assert, suite } from "../harness.ts";
import { withBrowser } from "../support/chromium.ts";
import { startScript } from "../support/script.ts";

const test = suite("playground's page", undefined, 180_000);
/** For whatever the page shows sooner or later. */
const patienceMs = 60_000;
const desktop = { width: 1280, height: 800 };
const phone = { width: 360, height: 740 };

interface Visit {
  readonly page: Page;
  readonly chat: Locator;
  /** The visitor's item in the table. */
  readonly item: Locator;
}

/** Opens a playground's page, and in the end makes sure that it stayed at home and did not complain. */
async function visit(size: typeof desktop, body: (visit: Visit) => Promise<void>): Promise<void> {
  const running = startScript(["examples/playground.ts", "--every", "0"], {}, "-P=sandbox", "tsx");
  try {
    await running.printed("Ctrl-C ends it");
    const address = /http:\/\/\S+/.exec(running.output)?.[0] ?? "";
    await withBrowser(async (browser) => {
      const complaints = watch(browser, address);
      const page = await browser.newPage();
      page.setDefaultTimeout(patienceMs);
      await page.setViewportSize(size);
      await page.goto(address);
      const chat = page.getByRole("log", { name: "Signals" });
      await body({ page, chat, item: page.getByRole("group", { name: "Your item" }) });
      assert.equal(complaints, []);
    });
    running.kill("SIGINT");
    assert.is((await running.ended).status, 0, running.output);
  } finally {
    running.kill("SIGKILL");
    await running.ended;
  }
}

/** Requests to anywhere else, and whatever a page says on its console. */
function watch(browser: BrowserContext, address: string): string[] {
  const complaints: string[] = [];
  browser.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith("data:") && url !== "about:blank") complaints.push(url);
  });
  browser.on("console", (message) => complaints.push(message.text()));
  browser.on("weberror", (error) => complaints.push(String(error.error())));
  return complaints;
}

async function shows(locator: Locator, text: string | RegExp): Promise<void> {
  await locator.filter({ hasText: text }).first().waitFor();
}

/** The item has this attribute, with this value. */
async function holds(item: Locator, name: string, value: string): Promise<void> {
  await item.locator(`dt:text-is("${name}") + dd:text-is(${JSON.stringify(value)})`).waitFor();
}

async function switchTo(page: Page, name: string, isOn: boolean): Promise<void> {
  await page.getByRole("switch", { name }).click();
  await page.getByRole("switch", { name, checked: isOn }).waitFor();
}

/** Presses Tab until the focus is there. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let steps = 0; steps < 60; steps++) {
    await page.keyboard.press("Tab");
    if (await target.and(page.locator(":focus")).count() > 0) return;
  }
  throw new Error("Tab does not lead there");
}

/** What axe-core finds wrong, as a list that reads well. */
async function barriers(page: Page, rules: axe.RunOptions = {}): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(rules)})`);
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(" ")}`));
}

test("a subscriber comes, DynamoDB fails and is back, a signal comes with its chart, the subscriber leaves", () =>
  visit(desktop, async ({ page, chat, item }) => {
    await page.getByText("Bot running").waitFor();
    assert.ok(await item.getByText("There is none yet").isVisible());
    await page.getByRole("textbox", { name: "Message to the bot" }).fill("/start");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await shows(chat.getByRole("article"), /^Bot:Welcome! You are subscribed\./);
    assert.ok(await chat.locator("strong", { hasText: "Welcome! You are subscribed." }).isVisible());
    await holds(item, "is_active", "true");
    await holds(item, "message_count", "1");

    await switchTo(page, "DynamoDB down", true);
    await page.getByText("DynamoDB out of reach").waitFor();
    await page.getByRole("textbox").fill("Are you there?");
    await page.getByRole("textbox").press("Enter");
    await page.getByText("1 update waits").waitFor();
    await holds(item, "message_count", "1");
    await switchTo(page, "DynamoDB down", false);
    await holds(item, "message_count", "2");
    await page.getByText("0 updates wait").waitFor();

    await page.getByRole("button", { name: "Send a signal now" }).click();
    const chart = chat.getByRole("img", { name: /^Chart: 🟢 LONG BTC-USD/ });
    await chart.waitFor();
    await page.waitForFunction("document.querySelector('article img').complete");
    const size =
      "(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])(document.querySelector('article img'))";
    assert.equal(await page.evaluate(size), [1200, 800]);
    await shows(chat.getByRole("article"), /Entry: .*Stop: .*Target: /s);
    await page.getByText(/LONG BTC-USD: \d+ have it/).waitFor();
    await chart.click();
    await page.getByRole("dialog", { name: "Chart" }).getByRole("img").waitFor();
    await page.keyboard.press("Escape");

    await chat.getByRole("button", { name: "/stop" }).first().click();
    await shows(chat.getByRole("article"), /^Bot:You are unsubscribed\./);
    await holds(item, "is_active", "false");
    await holds(item, "removed_reason", '"stopped"');
    await page.getByRole("radio", { name: "As stored" }).check({ force: true });
    await holds(item, "chat_id", '{ "N": "1001" }');
    assert.equal(await barriers(page), []);
    await page.emulateMedia({ colorScheme: "dark" });
    assert.equal(await barriers(page, { runOnly: ["color-contrast"] }), []);
  }));

test("at a phone's width, by keyboard alone: the bot is killed and hears afterwards what was said meanwhile", () =>
  visit(phone, async ({ page, chat, item }) => {
    await page.getByText("Bot running").waitFor();
    await tabTo(page, page.getByRole("button", { name: "/start", exact: true }).first());
    await page.keyboard.press("Enter");
    await shows(chat.getByRole("article"), /^Bot:Welcome!/);
    await holds(item, "message_count", "1");

    const kill = page.getByRole("switch", { name: "Kill the bot" });
    await tabTo(page, kill);
    await page.keyboard.press("Space");
    await page.getByText("Bot killed").waitFor();
    assert.is(await page.getByRole("status").innerText(), "Bot: killed.");
    await page.keyboard.press("Shift+Tab");
    await tabTo(page, kill);
    await page.getByRole("textbox").focus();
    await page.keyboard.type("/status");
    await page.keyboard.press("Enter");
    await page.getByText("1 update waits").waitFor();
    await kill.focus();
    await page.keyboard.press("Space");
    await shows(chat.getByRole("article"), /This chat is subscribed\..*Messages from this chat: 2/s);

    await switchTo(page, "Block the bot", true);
    await holds(item, "removed_reason", '"blocked"');
    await page.getByRole("button", { name: "Unblock" }).click();
    await shows(chat.getByRole("article"), /^Bot:Welcome back!/);
    assert.is(await page.evaluate("document.documentElement.scrollWidth"), phone.width);
    assert.equal(await barriers(page), []);
  }));

test.run();
