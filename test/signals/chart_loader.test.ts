/** sendSignal() with candles: a picture whose caption is the ticket, or the ticket alone. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { ScanCommand } from "@aws-sdk/client-dynamodb";
import { createChartRenderer } from "../../lib/signals/chart_loader.ts";
import { type Clock, systemClock } from "../../lib/util/clock.ts";
import type { LocalChat, LocalUser } from "../../lib/local/mod.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { subscriptions } from "../../lib/bot/plugin.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  Logs,
  plantActive,
  type Scene,
  type SceneOptions,
  subscribers,
  until,
  withBot,
} from "../support/bot.ts";
import { someCandles } from "../support/charts.ts";
import { failureOf, LedgerName } from "../support/storage.ts";

const test = suite("sendSignal(): charts", {}, 60_000);
const made: SceneOptions = { state: "made" };
const candles = await someCandles(60);
const ticket = { direction: "long", symbol: "BTC-USD", entry: 60_000, stop: 59_900, target: 60_200 } as const;

// The first one takes longer than others, and on a busy machine longer than a signal waits.
test.before(async () => {
  const draw = createChartRenderer({ clock: systemClock, logger: new Logs() });
  await draw({ signal: ticket, candles });
});

test("everyone gets the picture with the ticket below it, and it is uploaded once", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 12);
    const report = await scene.bot.sendSignal(ticket, { candles, theme: "dark" });
    assert.is(report.sent, 12);
    assert.is(scene.server.uploads, 1);
    assert.equal([scene.server.countCalls("sendPhoto"), scene.server.countCalls("sendMessage")], [12, 0]);
    for (const { inbox } of users) {
      assert.is(inbox.length, 1);
      assert.ok((inbox[0]?.photo?.at(-1)?.file_size ?? 0) > 50_000, "a PNG of the chart's size");
      assert.match(inbox[0]?.caption ?? "", /LONG BTC-USD\n\nEntry: 60000\nStop: 59900/);
      assert.is(inbox[0]?.caption_entities?.[0]?.type, "bold");
    }
    assert.is(scene.logs.of("warn").length, 0);
  }, made);
});

test("what cannot be drawn goes out as text, and the log says why, once", async () => {
  await withBot(async (scene) => {
    const { bot, logs, server } = scene;
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const one = candles.slice(0, 1);
    for (let times = 0; times < 3; times++) {
      assert.is((await bot.sendSignal({ ...ticket, note: `${times}` }, { candles: one })).sent, 1);
    }
    assert.is(server.countCalls("sendPhoto"), 0);
    assert.equal(user.inbox.map(({ text = "" }) => /LONG BTC-USD/.test(text)), [true, true, true]);
    assert.equal(logs.of("warn", "without its chart"), [
      "A signal goes out without its chart. Cannot use the candles as there must be two or more: here are 1",
    ]);
    await bot.sendSignal(ticket, { candles: null as never });
    assert.equal(logs.of("warn", "without its chart").length, 2);
    assert.is((await bot.sendSignal(ticket, { candles })).sent, 1);
    assert.is(server.countCalls("sendPhoto"), 1);
  }, made);
});

test("a chart's options that are none are refused before anything is sent, with candles and without", async () => {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    await subscribers(scene, 1);
    const sent = server.countCalls("sendMessage");
    const wrong: readonly [object, RegExp][] = [
      [{ theme: "drak" }, /^Cannot draw the chart as "theme" must be .* "drak" \(did you mean "dark"\?\)$/],
      [
        { bands: { bollingerPeriods: 20 } },
        /^Cannot draw the chart as bollingerPeriods .* mean bollingerPeriod\?$/,
      ],
      [
        { bands: { vwapDeviations: "2" } },
        /"vwapDeviations" must be a number above 0: current value is "2"$/,
      ],
    ];
    for (const [options, words] of wrong) {
      for (const some of [{}, { candles }]) {
        assert.match((await failureOf(bot.sendSignal(ticket, { ...options, ...some }))).message, words);
      }
    }
    assert.equal([server.countCalls("sendMessage"), server.countCalls("sendPhoto")], [sent, 0]);
  }, made);
});

test("a chart that Telegram does not take holds nobody's signal back, with an id and without", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 5);
    const description = "Bad Request: IMAGE_PROCESS_FAILED";
    scene.server.fault({ method: "sendPhoto", times: Infinity, answer: { error_code: 400, description } });
    for (const options of [{}, { broadcastId: "refused" }]) {
      const report = await scene.bot.sendSignal(ticket, { candles, ...options });
      assert.equal([report.sent, report.stopped], [5, undefined]);
    }
    for (const { inbox } of users) {
      assert.equal(inbox.map(({ text = "" }) => /LONG BTC-USD/.test(text)), [true, true]);
    }
    assert.is(scene.server.countCalls("sendPhoto"), 2);
    assert.match(scene.logs.of("warn")[0] ?? "", /goes out without its chart\..*IMAGE_PROCESS_FAILED/);
    const own = await scene.bot.broadcast({ text: "mine", photo: new Uint8Array([1]) });
    assert.match(own.stopped ?? "", /IMAGE_PROCESS_FAILED/, "a picture that was asked for is not left out");
  }, { ...made, hasLedger: true });
});

const noPhotos = [
  "not enough rights to send photos to the chat",
  "CHAT_SEND_PHOTOS_FORBIDDEN",
  "CHAT_SEND_MEDIA_FORBIDDEN",
];

for (const words of noPhotos) {
  test(`a group that takes no pictures gets the ticket, the others their chart: ${words}`, async () => {
    await withBot(async (scene) => {
      const [group, ...others] = await subscribers(scene, 4) as [LocalUser, ...LocalUser[]];
      refusePhotos(scene, words, group);
      for (const times of [1, 2]) {
        assert.is((await scene.bot.sendSignal(ticket, { candles })).sent, 4);
        assert.equal([group.inbox.length, group.inbox.at(-1)?.photo], [times, undefined]);
      }
      for (const { inbox } of others) {
        assert.equal(inbox.map(({ photo }) => photo !== undefined), [true, true]);
      }
      assert.is(scene.logs.of("warn").length, 0);
    }, made);
  });
}

/** Has photos refused, by a chat or by all. */
function refusePhotos({ server }: Scene, words: string, chat?: LocalChat): void {
  const answer = { error_code: 400, description: `Bad Request: ${words}` };
  server.fault({ method: "sendPhoto", ...chat && { chatId: chat.chatId }, times: Infinity, answer });
}

/** Whether each of a chat's messages has a photo. */
function photos({ inbox }: LocalChat): boolean[] {
  return inbox.map(({ photo }) => photo !== undefined);
}

test("a chat that refuses a picture in unknown words gets the ticket, the others their chart", async () => {
  await withBot(async (scene) => {
    const [first, ...others] = await subscribers(scene, 6) as [LocalUser, ...LocalUser[]];
    refusePhotos(scene, "ODD_PHOTO_17_TAKEN", first);
    refusePhotos(scene, "ODD_PHOTO_4_TAKEN", others[0]);
    const report = await scene.bot.sendSignal(ticket, { candles });
    assert.equal([report.sent, report.stopped], [6, undefined]);
    assert.equal(photos(first), [false]);
    assert.equal(others.map(photos), [[false], [true], [true], [true], [true]]);
    const warnings = scene.logs.of("warn");
    assert.is(warnings.length, 1);
    assert.match(warnings[0] ?? "", /A chat gets its signal without the chart\..*ODD_PHOTO_\d+_TAKEN/);
  }, made);
});

test("a picture that five people's chats refuse in unknown words, and nobody takes, is tried no more", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 12);
    refusePhotos(scene, "ODD_PHOTO");
    const report = await scene.bot.sendSignal(ticket, { candles });
    assert.equal([report.sent, report.stopped], [12, undefined]);
    assert.ok(users.every((user) => photos(user).join() === "false"));
    assert.is(scene.server.countCalls("sendPhoto"), 5);
    assert.match(scene.logs.of("warn").at(-1) ?? "", /A signal goes out without its chart\..*ODD_PHOTO/);
  }, made);
});

test("groups that refuse a picture in unknown words take it from nobody else", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const stranger = scene.server.user();
    for (let number = 0; number < 7; number++) {
      const group = scene.server.group({ title: `Odd ${number}`, administrators: [stranger] });
      await plantActive(scene.table, group.chatId);
      refusePhotos(scene, "ODD_PHOTO", group);
    }
    assert.is((await scene.bot.sendSignal(ticket, { candles })).sent, 8);
    assert.equal(photos(user), [true]);
  }, made);
});

test("a picture that others have got is no reason to end a signal where it is refused", async () => {
  await withBot(async (scene) => {
    const users = await subscribers(scene, 6);
    refusePhotos(scene, "wrong file identifier/HTTP URL specified", users[3]);
    const report = await scene.bot.sendSignal(ticket, { candles, order: "ascending" });
    assert.equal([report.sent, report.stopped], [6, undefined]);
    assert.equal(users.map(photos), [[true], [true], [true], [false], [true], [true]]);
  }, made);
});

test("a signal or an option that is none sends nothing, candles or not", async () => {
  await withBot(async ({ bot, server }) => {
    await bot.initialize();
    const wrong = { ...ticket, stop: 70_000 };
    assert.match((await failureOf(bot.sendSignal(wrong, { candles }))).message, /"stop" must be below/);
    const failure = await failureOf(bot.sendSignal(ticket, { candles, maxAgeMs: -1 }));
    assert.match(failure.message, /"maxAgeMs" must be/);
    assert.is(server.countCalls("sendPhoto") + server.countCalls("sendMessage"), 0);
  }, made);
});

test("a chart that takes too long is given up, and one for whoever has left is no reason to log", async () => {
  const logs = new Logs();
  const hurried = { ...systemClock, sleep: () => Promise.resolve() };
  const order = { signal: ticket, candles };
  assert.is(await createChartRenderer({ clock: hurried, logger: logs })(order), undefined);
  assert.match(logs.text, /^warn: A signal goes out without its chart\. it has taken longer than 10 s$/);
  const leaving = AbortSignal.abort(new Error("left"));
  assert.is(
    await createChartRenderer({ clock: systemClock, logger: logs })({ ...order, abortSignal: leaving }),
    undefined,
  );
  assert.is(logs.lines.length, 1);
});

test("of processes with one broadcastId, of which one could draw, one sends, and everyone gets one message", async () => {
  await withBot(async (scene) => {
    const { bot, another, server } = scene;
    const users = await subscribers(scene, 30);
    const broadcastId = "BTC-USD 2026-01-05T06:10Z long";
    const reports = await Promise.all([
      bot.sendSignal(ticket, { candles, broadcastId }),
      another().sendSignal(ticket, { candles: [], broadcastId }),
      another().sendSignal(ticket, { broadcastId }),
    ]);
    assert.equal(reports.map(({ sent }) => sent), [30, 30, 30]);
    assert.ok(users.every(({ inbox }) => inbox.length === 1));
    const [photos, texts] = [server.countCalls("sendPhoto"), server.countCalls("sendMessage")];
    assert.ok((photos === 30 && texts === 0) || (photos === 0 && texts === 30), `${photos} and ${texts}`);
  }, { ...made, hasLedger: true });
});

/** Whether a run has been written. */
async function hasBegun({ table }: Scene): Promise<boolean> {
  const scan = table.direct.send(new ScanCommand({ TableName: LedgerName }));
  // There may be no table yet.
  const { Items = [] } = await scan.catch(() => ({ Items: [] }));
  return Items.some(({ record }) => record?.S === "run");
}

test("a run that died before its chart was uploaded is finished by the next start, as text", async () => {
  let clock: Clock = systemClock;
  const changing: Clock = {
    now: () => clock.now(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    random: () => 0.5,
  };
  await withBot(async (scene) => {
    const { bot, another, server, logs } = scene;
    const users = await subscribers(scene, 20);
    await bot.initialize();
    const running = bot.sendSignal(ticket, { candles, broadcastId: "died" });
    running.pause();
    await until(() => hasBegun(scene), "the run has not begun");
    clock = new FastClock(20);
    await bot.stopBot();
    assert.is((await running).sent, 0);
    const { resumed, left } = await another().resumeBroadcasts();
    assert.equal([resumed[0]?.sent, left], [20, []]);
    assert.equal([server.countCalls("sendMessage"), server.uploads], [20, 0]);
    for (const user of users) assert.match(user.inbox[0]?.text ?? "", "LONG BTC-USD");
    assert.equal(logs.of("warn"), []);
  }, { ...made, hasLedger: true, bot: { clock: changing } });
});

test("subscriptions of another's bot draw, too", async () => {
  await withBot(async (scene) => {
    const [user] = await subscribers(scene, 1) as [LocalUser];
    const storage = new InMemoryChatStorage();
    await storage.saveChat(user.chatId, {});
    await using own = subscriptions({ storage });
    assert.is((await own.sendSignal(scene.bot.grammy.api, ticket, { candles })).sent, 1);
    assert.is(scene.server.uploads, 1);
  }, made);
});

/** What this runtime prints as it draws under these permissions. */
async function drawn(...permissions: readonly string[]): Promise<string> {
  const script = fileURLToPath(new URL("../support/draw_once.ts", import.meta.url));
  const cwd = fileURLToPath(new URL("../..", import.meta.url));
  const args = ["run", "--frozen", "--no-prompt", "--quiet", ...permissions, script];
  const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  await once(child, "close");
  return output;
}

if (process.versions["deno"] !== undefined) {
  test("Deno draws with the project's own permissions, and says which one is missing", async () => {
    assert.match(await drawn("-P"), /a chart\n$/);
    const output = await drawn("--allow-env");
    assert.match(output, /A signal goes out without its chart\. The chart's module could not be loaded: /);
    assert.match(output, /Deno has to be allowed to read the folder: --allow-read=\S+\/lib\n/);
    assert.match(output, /no chart\n$/);
  });
}

test.run();
