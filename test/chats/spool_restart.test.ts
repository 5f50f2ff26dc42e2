/** A bot whose queue is on disk: what an outage and a restart leave of it. */
import { mkdir, mkdtemp, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openSpool } from "../../lib/chats/spool.ts";
import type { ChatWrite } from "../../lib/chats/writer.ts";
import type { LocalUser } from "../../lib/local/mod.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  plantActive,
  said,
  type Scene,
  soon,
  subscribers,
  until,
  withBot,
} from "../support/bot.ts";
import { rm } from "../support/leaks.ts";
import { failureOf } from "../support/storage.ts";

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "spool-"));
  try {
    await body(join(folder, "queue", "spool.jsonl"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

const test = suite("a bot with a spool file", {}, 60_000);

const clock = new FastClock(20);

function queued({ bot }: Scene, count: number): Promise<void> {
  return until(() => bot.health.queuedUpdates === count, "they are not queued");
}

test(
  "an outage that outlasts the bot loses nothing: the next one keeps what is on disk",
  () =>
    inFolder(async (spoolFile) => {
      await withBot(async (scene) => {
        const { bot, server, gate, logs, another, settled, item } = scene;
        const [leaver, joiner, talker] = [server.user(), server.user(), server.user()];
        leaver.say("/start");
        await settled();
        gate.deny();
        leaver.say("/stop");
        joiner.say("/start");
        talker.say("hello");
        // So many that Telegram has to forget the first of them.
        const others = Array.from({ length: 120 }, () => server.user());
        for (const other of others) other.say("/start");
        await queued(scene, 123);
        await until(() => server.pendingUpdates === 83, "there is no room");
        assert.is((await readFile(spoolFile, "utf8")).match(/^.+$/gm)?.length, 123);
        assert.ok(await soon(bot.stopBot(), 5000), "it ends");
        assert.match(
          logs.of("warn").at(-1) ?? "",
          `40 updates in the file ${spoolFile} and 83 updates at Telegram`,
        );
        assert.equal(logs.of("error", "lost"), []);
        gate.clear();
        const next = another();
        await next.startBot();
        await settled();
        await until(() => !next.health.isDegraded, "they are not kept");
        assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
        assert.equal((await item(joiner))?.["is_active"], { BOOL: true });
        assert.equal((await item(talker))?.["message_count"], { N: "1" });
        for (const other of others) assert.equal((await item(other))?.["message_count"], { N: "1" });
        await settled();
        assert.equal(said(talker), ["Welcome! You are subscribed."], "greeted by the next one");
        assert.is(said(joiner).length, 1, "once");
        await until(async () => (await stat(spoolFile)).size === 0, "it is not cleared");
      }, { bot: { clock, spoolFile } });
    }),
);

test(
  "started in the same outage, the next bot keeps the order of what it finds and what it hears",
  () =>
    inFolder(async (spoolFile) => {
      await withBot(async (scene) => {
        const { bot, server, gate, another, settled, item } = scene;
        const [changeable, steady] = [server.user(), server.user()];
        gate.deny();
        for (const user of [changeable, steady]) user.say("/start");
        await queued(scene, 2);
        await bot.stopBot();
        const next = another();
        await next.startBot();
        changeable.say("/stop");
        steady.say("hello");
        await changeable.received("You are unsubscribed.");
        gate.clear();
        await settled();
        await until(() => !next.health.isDegraded, "they are not kept");
        assert.equal((await item(changeable))?.["removed_reason"], { S: "stopped" });
        assert.equal((await item(changeable))?.["message_count"], { N: "2" });
        assert.equal((await item(steady))?.["message_count"], { N: "2" });
        assert.equal((await item(steady))?.["is_active"], { BOOL: true });
        assert.equal(said(changeable).at(-1), "You are unsubscribed.");
      }, { bot: { clock, spoolFile } });
    }),
);

test(
  "a /stop on disk holds from the start of the next bot on, before it can be kept",
  () =>
    inFolder(async (spoolFile) => {
      await withBot(async (scene) => {
        const { bot, gate, another } = scene;
        const [leaver, waverer, reader] = await subscribers(scene, 3) as [LocalUser, LocalUser, LocalUser];
        gate.deny("UpdateItem");
        leaver.say("/stop");
        waverer.say("/stop");
        waverer.say("/start");
        await queued(scene, 3);
        await bot.stopBot();
        // It does not poll, so that it knows of the words by the file alone.
        const next = another();
        await next.initialize();
        const { sent, skipped } = await next.broadcast("signal");
        assert.equal([sent, skipped], [2, 1]);
        assert.equal(said(leaver), ["You are unsubscribed."]);
        assert.is(said(waverer).at(-1), "signal", "the last word counts");
        assert.is(said(reader).at(-1), "signal");
        gate.clear();
        await until(() => !next.health.isDegraded, "they are not kept");
        assert.is((await next.broadcast("another")).sent, 2);
      }, { bot: { clock, spoolFile } });
    }),
);

test(
  "a /stop on disk that a group has said holds in the supergroup that it became",
  () =>
    inFolder(async (spoolFile) => {
      await withBot(async ({ bot, server, gate, table }) => {
        const supergroup = server.group({ title: "Desk", kind: "supergroup" });
        await plantActive(table, supergroup.chatId);
        const said: readonly ChatWrite[] = [
          { kind: "event", chatId: -5, event: { kind: "stop", at: Date.now(), updateId: 7 } },
          { kind: "migration", from: -5, to: supergroup.chatId, at: Date.now() },
        ];
        const spool = await openSpool(spoolFile, Number.parseInt(server.token));
        await spool.append(said);
        await spool.close();
        gate.deny("UpdateItem");
        gate.deny("GetItem");
        await bot.initialize();
        const enough = AbortSignal.timeout(500);
        const options = { whenUnreadable: "send", signal: enough } as const;
        const { sent, skipped } = await bot.broadcast("signal", options).catch(() => ({
          sent: 0,
          skipped: 1,
        }));
        assert.equal([sent, skipped], [0, 1]);
        assert.equal(supergroup.inbox, []);
      }, { bot: { clock, spoolFile }, state: "made" });
    }),
);

test(
  "what a torn line follows and precedes on disk is kept, and torn lines alone are cleared",
  () =>
    inFolder(async (spoolFile) => {
      await withBot(async ({ bot, server, table, item, another }) => {
        const leavers = [server.user(), server.user()];
        const stops: string[] = [];
        for (const { chatId } of leavers) {
          await plantActive(table, chatId);
          const event = { kind: "stop", at: Date.now(), updateId: 7 };
          stops.push(JSON.stringify({ kind: "event", chatId, event }));
        }
        await mkdir(dirname(spoolFile), { recursive: true });
        await writeFile(
          spoolFile,
          `${stops[0]}\n${stops[1]?.slice(0, 30)}\n${stops[1]}\n${stops[0]?.slice(0, 9)}`,
        );
        await bot.startBot();
        await until(() => !bot.health.isDegraded, "they are not kept");
        for (const leaver of leavers) assert.equal((await item(leaver))?.["is_active"], { BOOL: false });
        await bot.stopBot();
        const line = `{"bot_id":${server.token.split(":")[0]},${stops[0]?.slice(1)}`;
        await writeFile(spoolFile, `${line.slice(0, 40)}\n${line.slice(0, 9)}`);
        await another().startBot();
        assert.is((await stat(spoolFile)).size, 0);
      }, { bot: { clock, spoolFile }, state: "made" });
    }),
);

test("stopped before the list was ever read, a bot leaves no file open", () =>
  inFolder(async (spoolFile) => {
    await withBot(async ({ bot, gate }) => {
      gate.deny();
      await bot.startBot();
      await bot.stopBot();
      // Only Linux tells what is open.
      const open = await readdir("/proc/self/fd").catch(() => []);
      const paths = await Promise.all(open.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => "")));
      assert.equal(paths.filter((path) => path.startsWith(spoolFile)), []);
    }, { bot: { clock, spoolFile }, state: "made" });
  }));

test("a spool that is replayed twice counts once", () =>
  inFolder(async (spoolFile) => {
    await withBot(async (scene) => {
      const { bot, server, gate, another, item } = scene;
      const user = server.user();
      gate.deny();
      for (const text of ["/start", "hello", "/stop"]) user.say(text);
      await queued(scene, 3);
      await bot.stopBot();
      const copy = await readFile(spoolFile);
      gate.clear();
      for (let times = 0; times < 2; times++) {
        await writeFile(spoolFile, copy);
        const next = another();
        await next.initialize();
        await until(() => !next.health.isDegraded, "they are not kept");
        await next.stopBot();
      }
      assert.equal((await item(user))?.["message_count"], { N: "3" });
      assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
    }, { bot: { clock, spoolFile } });
  }));

test("a /start that a torn line leaves behind its /stop, as it came again, subscribes nobody", () =>
  inFolder(async (spoolFile) => {
    await withBot(async (scene) => {
      const { bot, server, gate, another } = scene;
      const [leaver, joiner] = [server.user(), server.user()];
      gate.deny();
      for (const text of ["hello", "/start", "/stop"]) leaver.say(text);
      joiner.say("/start");
      await queued(scene, 4);
      await bot.stopBot();
      // Telegram has delivered all of them again, and the disk was full in the middle.
      const lines = (await readFile(spoolFile, "utf8")).split("\n").filter(Boolean);
      const [hello, start] = lines.filter((line) => line.includes(`"chatId":${leaver.chatId},`));
      await writeFile(spoolFile, [...lines, hello, start, ""].join("\n"));
      const next = another();
      await next.initialize();
      const run = next.broadcast("news", { whenUnreadable: "send" });
      await joiner.received("news");
      gate.clear();
      assert.is((await run).sent, 1);
      await until(() => !next.health.isDegraded, "they are not kept");
      assert.equal(said(leaver).at(-1), "You are unsubscribed.");
    }, { bot: { clock, spoolFile } });
  }));

test("a restart within the outage answers nobody again", () =>
  inFolder(async (spoolFile) => {
    await withBot(async (scene) => {
      const { bot, server, gate, another, settled } = scene;
      const user = server.user();
      gate.deny("UpdateItem");
      user.say("/start");
      user.say("/stop");
      await user.received("You are unsubscribed.");
      await bot.stopBot();
      const next = another();
      await next.startBot();
      await until(() => next.health.queuedUpdates === 4, "it does not hear them again");
      gate.clear();
      await settled();
      await until(() => !next.health.isDegraded, "they are not kept");
      assert.equal(said(user), ["Welcome! You are subscribed.", "You are unsubscribed."]);
    }, { bot: { clock, spoolFile } });
  }));

test(
  "a file that cannot be written is an error at the start, which names it and the fix",
  () =>
    inFolder(async (path) => {
      await withBot(async ({ another }) => {
        await writeFile(join(path, "..", "..", "file"), "");
        const error = await failureOf(
          another({ spoolFile: join(path, "..", "..", "file", "spool") }).initialize(),
        );
        assert.instance(error, ConfigError);
        assert.match(error.message, /The spool file ".*spool" cannot be written .*TELEGRAM_SPOOL_FILE/);
        assert.throws(() => another({ spoolFile: "" }), /spoolFile must be the path of a file/);
      }, { state: "made" });
    }),
);

test.run();
