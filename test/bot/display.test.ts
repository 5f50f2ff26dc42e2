/** What notebooks show of the toolkit's values, and that these are otherwise as plain as they were. */
import { inspect } from "node:util";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { showProgress, showReport } from "../../lib/broadcast/display.ts";
import { showChat, showChats, showStatistics } from "../../lib/chats/display.ts";
import type { MimeBundle } from "../../lib/util/display.ts";
import { BroadcastReport } from "../../lib/broadcast/report.ts";
import type { Chat } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { safeHtml } from "../../lib/util/html.ts";
import { assert, suite } from "../harness.ts";
import { Logs, until } from "../support/bot.ts";
import { noon } from "../support/chats.ts";
import { TestClock } from "../support/storage.ts";

const test = suite("display");
const symbol = Symbol.for("Jupyter.display");
const dayMs = 24 * 60 * 60 * 1000;
const script = '<script>alert("1")</script>&\'';
const escapedScript = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;";

/** As Deno's kernel does it. */
async function shown(value: object): Promise<MimeBundle> {
  const show = (value as { [symbol]?: () => Promise<MimeBundle> })[symbol];
  assert.type(show, "function", "notebooks find nothing to show");
  return await show?.call(value) ?? {};
}

/** A browser would say the same: every tag is closed, in its order, and there are no others than these. */
function assertWellFormed(html: string): void {
  const open: string[] = [];
  for (const [, closes, name = "", empty] of html.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
    if (closes) assert.is(open.pop(), name);
    else if (!empty) open.push(name);
  }
  assert.equal(open, []);
  assert.not.match(html.replace(/<\/?(a|circle|[a-z]+)( [a-zA-Z:-]+="[^"<>]*")*\/?>/g, ""), /[<>]/);
  assert.not.match(html, /<script/);
}

function reportOf(facts: Partial<BroadcastReport> = {}): BroadcastReport {
  return new BroadcastReport({
    broadcastId: undefined,
    ...{ recipients: 8, sent: 5, deactivated: 1, skipped: 2, failed: 0, unknown: 0 },
    skips: { unsubscribed: 2, disallowed: 0, expired: 0, stopped: 0 },
    ...{ floods: 0, migrations: [], topics: [], errors: [], stopped: undefined, durationMs: 300 },
    ...{ startedAt: "2026-11-23T16:05:00.000Z", wasAlreadySent: false, differs: false },
    ...{ recipientsFrom: "table" as const, recipientsAsOf: undefined },
    latencyMs: { p50: 100, p95: 200, p99: 250, max: 290 },
    ...facts,
  });
}

const ada: Chat = {
  chat_id: 7001,
  is_active: true,
  added_at: "2026-11-20T12:00:00.000Z",
  last_active: "2026-11-24T12:00:00.000Z",
  message_count: 1234,
  user_info: { username: "ada", first_name: script },
  removed_at: null,
};

test("safeHtml`` escapes whatever is no markup, also in lists and attributes", () => {
  assert.is(
    String(safeHtml`<b title="${script}">${script}</b>`),
    `<b title="${escapedScript}">${escapedScript}</b>`,
  );
  assert.is(String(safeHtml`${[safeHtml`<i>`, safeHtml`${"<"}`]}${1}`), "<i>&lt;1");
});

test("a chat shows its facts, and its name does no harm", () => {
  const bundle = showChat(ada);
  const html = bundle["text/html"] ?? "";
  assertWellFormed(html);
  for (const words of [`${escapedScript} @ada`, "active", ">7001<", ">1234<", ">2026-11-24T12:00:00.000Z<"]) {
    assert.ok(html.includes(words), words);
  }
  assert.match(bundle["text/plain"] ?? "", /^ {2}message_count +1234$/m);
  const group: Chat = { ...ada, is_active: false, removed_reason: "left", user_info: { title: "The desk" } };
  assert.match(showChat(group)["text/plain"] ?? "", /^The desk: left\n/);
  assert.match(showChat({ ...ada, user_info: {} })["text/plain"] ?? "", /^Chat 7001: active\n/);
});

test("control characters in what others have written are shown, in each form", () => {
  const name = "\u001b[2JEve\u202e\nactive";
  const chat: Chat = { ...ada, last_active: "\u0007", user_info: { first_name: name, "k\u009b": "\u2066" } };
  for (const bundle of [showChat(chat), showChats([chat])]) {
    for (const [form, text] of Object.entries(bundle)) {
      // deno-lint-ignore no-control-regex -- these are what is looked for
      assert.not.match(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/, form);
      assert.match(text, "\\u001b[2JEve\\u202e", form);
    }
    assert.not.match(bundle["text/plain"] ?? "", /^active/m, "a name makes no line of its own");
  }
});

test("a page of chats is a table of the first fifty", () => {
  const page = Array.from({ length: 5300 }, (_, index) => ({ ...ada, chat_id: index + 1 }));
  const html = showChats(page)["text/html"] ?? "";
  assertWellFormed(html);
  assert.match(html, /5,300 chats/);
  assert.is(html.split("<tr").length - 1, 1 + 50);
  assert.match(html, /… and 5,250 more/);
  assert.not.match(showChats(page.slice(0, 50))["text/plain"] ?? "", /more/);
  assert.not.match(showChats([ada])["text/html"] ?? "", /more/);
});

test("statistics are a table and a plot", () => {
  const lastActiveByDay = Array.from(
    { length: 30 },
    (_, index) => index === 29 ? 2000 : index === 28 ? 1 : 0,
  );
  const figures = {
    ...{ totalChats: 2500, activeChats: 2100, inactiveChats: 400, totalMessages: 10_000 },
    ...{ averageMessagesPerChat: 4, lastActiveByDay },
  };
  const bundle = showStatistics(figures);
  const [html = "", svg = ""] = [bundle["text/html"], bundle["image/svg+xml"]];
  for (const each of [html, svg]) assertWellFormed(each);
  assert.match(html, />Active<\/th><td[^>]*>2,100</);
  assert.ok(html.includes(svg), "the plot stands beside the table");
  assert.is(svg.split("<rect").length - 1, 30);
  const heights = [...svg.matchAll(/<rect[^>]* height="(\d+)"/g)].map(([, height]) => Number(height));
  assert.equal(
    heights.slice(-3),
    [0, 2, 90],
    "the highest fills the plot, and one chat is seen beside 2,000",
  );
  assert.match(svg, /<title>yesterday: 1<\/title>.*<title>today: 2,000<\/title>/);
  assert.match(svg, /highest: 2,000/);
  assert.match(bundle["text/plain"] ?? "", /^Chats\n {2}Chats +2,500\n/);
  assert.not.ok("application/json" in bundle, "JupyterLab would prefer it");
});

test("a bot's statistics tell what it does, and troubles only where there are any", () => {
  const figures = {
    ...{ totalChats: 0, activeChats: 0, inactiveChats: 0, totalMessages: 0, averageMessagesPerChat: 0 },
    ...{ lastActiveByDay: [0], storage: "memory", username: script },
    ...{ isPolling: true, isHearing: true, lastHeardAt: "2026-11-23T16:16:54.224Z" },
    ...{ isDegraded: false, queuedUpdates: 0, pendingReplies: 0 },
  };
  const calm = showStatistics(figures);
  assertWellFormed(calm["text/html"] ?? "");
  assert.match(calm["text/plain"] ?? "", /Hears commands +yes$/);
  const deaf = showStatistics({ ...figures, isHearing: false });
  assert.match(deaf["text/plain"] ?? "", /Hears commands +not since 2026-11-23T16:16:54\.224Z$/);
  const ended = { ...figures, isPolling: false, isHearing: false };
  const troubled = showStatistics({ ...ended, isDegraded: true, queuedUpdates: 3 });
  assert.match(
    troubled["text/plain"] ?? "",
    /Hears commands +no\n {2}DynamoDB +cannot be used just now\n {2}Updates waiting +3$/,
  );
});

test("a report shows its line, a bar of its counts, and whom it did not reach", () => {
  const errors = Array.from({ length: 7 }, (_, index) => ({
    chat_id: index + 1,
    outcome: "failed" as const,
    message: script,
  }));
  const bundle = showReport(reportOf({ errors, sent: 1, failed: 4, broadcastId: script, floods: 2 }));
  const html = bundle["text/html"] ?? "";
  assertWellFormed(html);
  assert.match(html, /Sent to 1 of 8 chats in 0\.3 s/);
  const widths = [...html.matchAll(/<span style="width: ([\d.]+)%/g)].map(([, width]) => Number(width));
  assert.equal(widths, [12.5, 12.5, 25, 50]);
  assert.is(html.split(">failed</td>").length - 1, 5);
  assert.match(html, /… and 2 more/);
  assert.match(bundle["text/plain"] ?? "", /Floods waited out +2/);
  assertWellFormed(
    showReport(reportOf({ recipients: 0, sent: 0, latencyMs: undefined }))["text/html"] ?? "",
  );
});

test("a report shows the topics that did not take the message", () => {
  const topics = [{ chat_id: -1005, thread_id: 7, reason: "closed" as const, message: "TOPIC_CLOSED" }];
  const html = showReport(reportOf({ topics }))["text/html"] ?? "";
  assertWellFormed(html);
  assert.match(html, /<td[^>]*>-1005<\/td><td[^>]*>7<\/td><td[^>]*>closed<\/td>/);
});

test("progress is a bar that fills up, and says what it waits for", () => {
  const progress = {
    ...{ recipients: 8, done: 4, sent: 3, deactivated: 0, skipped: 0, failed: 1, unknown: 0 },
    ...{ elapsedMs: 1000, remainingMs: 1000, willExpire: 0 },
    ...{ isPaused: false, isWaiting: false, waitingMs: 0 },
  };
  const line = (change: Partial<typeof progress>): string =>
    (showProgress({ ...progress, ...change })["text/plain"] ?? "").split("\n")[0] ?? "";
  assert.is(line({}), "4 of 8 chats, 50 % · 1.0 s · about 1.0 s to go");
  assert.is(line({ isPaused: true }), "4 of 8 chats, 50 % · 1.0 s · paused");
  assert.is(
    line({ isWaiting: true, waitingMs: 18_000 }),
    "4 of 8 chats, 50 % · 1.0 s · waiting for 18.0 s, as Telegram asks",
  );
  assert.is(line({ done: 8 }), "Sent to 3 of 8 chats · 1.0 s · ended");
  assert.is(line({ done: 0, recipients: 0 }), "The chats are being read · 1.0 s · about 1.0 s to go");
  const html = showProgress(progress)["text/html"] ?? "";
  assertWellFormed(html);
  assert.match(html, /aria-label="3 sent, 1 failed; of 8"/);
  assert.match(html, /width: 37\.50%;.*width: 12\.50%;/);
});

/** A storage in which a group and Ada are known. */
async function filled(): Promise<InMemoryChatStorage> {
  const storage = new InMemoryChatStorage({ clock: new TestClock(noon) });
  await storage.saveChat(7001, { first_name: "Ada" });
  await storage.apply(-5, [{ kind: "start", at: noon - 3 * dayMs, userInfo: { title: "Desk" } }]);
  return storage;
}

test("what a storage gives is shown richly, and is plain otherwise", async () => {
  const storage = await filled();
  const chat = await storage.getChat(7001) as Chat;
  const page = (await storage.scan().next()).value ?? [];
  const figures = await storage.getStatistics();
  assert.match((await shown(chat))["text/html"] ?? "", /Ada/);
  assert.match((await shown(page))["text/html"] ?? "", /2 chats/);
  assert.match((await shown(figures))["text/html"] ?? "", /<svg/);
  for (const value of [chat, page, figures]) {
    assert.equal(structuredClone(value), value);
    assert.equal(Object.getOwnPropertySymbols({ ...value }), [], "a spread leaves it behind");
    assert.not.match(inspect(value), /Jupyter/);
    assert.equal(JSON.parse(JSON.stringify(value)), JSON.parse(JSON.stringify(structuredClone(value))));
  }
  assert.is(Object.getPrototypeOf(chat), Object.prototype);
});

test("a report and a run are shown as they are now; a report still prints and serialises", async () => {
  await using server = await startBotApiServer();
  const storage = await filled();
  await using bot = new MeanReversionTelegramBot({
    ...{ botToken: server.token, apiRoot: server.apiRoot, storage, logger: new Logs() },
  });
  const told: object[] = [];
  // The views are loaded when a value is first shown, and show what it is then: so long the chats are not read.
  const load = storage.loadActiveChats.bind(storage);
  let release = (): void => {};
  const released = new Promise<void>((resolve) => release = resolve);
  storage.loadActiveChats = async (...options) => await released.then(() => load(...options));
  const run = bot.broadcast("Hello", { onProgress: (progress) => told.push(progress) });
  assert.match(
    (await shown(run))["text/plain"] ?? "",
    /^The chats are being read .* s\. It goes on by itself; await it/,
  );
  assert.match((await shown(run.progress))["text/plain"] ?? "", /^The chats are being read/);
  release();
  const report = await run;
  assert.equal(await shown(run), await shown(report));
  assert.match((await shown(told.at(-1) ?? {}))["text/plain"] ?? "", /^Sent to 0 of 2 chats/);
  assert.is((await shown(report))["text/plain"]?.split("\n")[0], String(report));
  assert.equal(Object.getOwnPropertySymbols(report), []);
  assert.is(JSON.parse(JSON.stringify(report)).recipients, 2);
  assert.not.match(inspect(report), /Jupyter/);
  const figures = await bot.getStatistics();
  assert.match((await shown(figures))["text/plain"] ?? "", /^@local_test_bot\n/);
});

test("a bot is shown with what it does, and what to call next", async () => {
  await using server = await startBotApiServer();
  await using bot = new MeanReversionTelegramBot({
    ...{ botToken: server.token, apiRoot: server.apiRoot, storage: await filled(), logger: new Logs() },
  });
  const told = async (): Promise<string> => (await shown(bot))["text/plain"] ?? "";
  assert.is(
    await told(),
    "A bot is not started. It can send; await bot.startBot() has it hear commands, too.",
  );
  await bot.startBot();
  await until(() => bot.health.isHearing, "it does not hear");
  assert.match(
    await told(),
    /^@local_test_bot is running\. .*\n.*Subscribed chats +2\n.*Hears commands +yes/s,
  );
  await bot.stopBot();
  assert.is(await told(), "@local_test_bot is stopped. Make a new one to start again.");
  assert.equal(Object.getOwnPropertySymbols(bot), []);
});

test("a run that has failed is shown with the reason", async () => {
  await using bot = new MeanReversionTelegramBot({
    botToken: "1:none",
    useDynamoDB: false,
    logger: new Logs(),
  });
  const run = bot.broadcast("");
  run.catch(() => {});
  const plain = (await shown(run))["text/plain"] ?? "";
  assert.match(plain, /^Nothing was sent\. Cannot broadcast as "text" must have 1 to /);
  assertWellFormed((await shown(run))["text/html"] ?? "");
});

test.run();
