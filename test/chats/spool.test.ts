/** The queue on disk: what outlives the process. */
import {
  appendFile,
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { openSpool, Spool } from "../../lib/chats/spool.ts";
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
import { failureOf } from "../support/storage.ts";

const entries: readonly ChatWrite[] = [1, 2, 3].map((id) => ({
  kind: "event",
  chatId: -id,
  event: {
    kind: "message",
    at: 1000 * id,
    updateId: id,
    userInfo: { first_name: "Zoë 😀\n" },
    registers: true,
  },
}));
const move: ChatWrite = { kind: "migration", from: -5, to: -1005, at: 7 };

async function inFolder(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "spool-"));
  try {
    await body(join(folder, "queue", "spool.jsonl"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function using(path: string, body: (spool: Spool) => Promise<void>): Promise<void> {
  const spool = await openSpool(path);
  try {
    await body(spool);
  } finally {
    await spool.close();
  }
}

const test = suite("spool");

test("what is appended is read again, in its order", () =>
  inFolder(async (path) => {
    await using(path, async (spool) => {
      assert.equal(await spool.read(), { entries: [], unreadable: 0 });
      await Promise.all([
        spool.append(entries.slice(0, 2)),
        spool.append(entries.slice(2)),
        spool.append([move]),
      ]);
    });
    await using(path, async (spool) => {
      assert.equal(await spool.read(), { entries: [...entries, move], unreadable: 0 });
      await spool.append(entries);
      await spool.clear();
      await spool.append([move]);
    });
    await using(path, async (spool) => assert.equal((await spool.read()).entries, [move]));
  }));

test("a torn last line costs nothing but itself, and does not spoil the next", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    const whole = await readFile(path);
    for (let length = whole.length - 2; length > whole.length - 40; length -= 7) {
      await writeFile(path, whole.subarray(0, length));
      await using(path, async (spool) => {
        assert.equal(await spool.read(), { entries: entries.slice(0, 2), unreadable: 0 });
        await spool.append([move]);
      });
      await using(path, async (spool) => {
        assert.equal(await spool.read(), { entries: [...entries.slice(0, 2), move], unreadable: 1 });
      });
    }
  }));

test("a last line that only lacks its end is whole", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    await writeFile(path, (await readFile(path)).subarray(0, -1));
    await using(path, async (spool) => assert.equal((await spool.read()).entries, entries));
  }));

test("lines that are none are counted and left out", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries.slice(0, 1)));
    const bad = [
      "null",
      "5",
      "{}",
      '{"kind":"event","chatId":"1","event":{}}',
      '{"kind":"migration"}',
      "\u0000\u0000",
    ];
    await appendFile(path, `${bad.join("\n")}\n`);
    await using(path, async (spool) => {
      assert.equal(await spool.read(), { entries: entries.slice(0, 1), unreadable: bad.length });
    });
  }));

/** A spool whose disk takes ten bytes of each append while it is full. */
async function onDisk(path: string, disk: { isFull: boolean }): Promise<Spool> {
  const { file } = await openFile(path);
  return new Spool(
    path,
    new Proxy(file, {
      get(target, key) {
        if (key === "appendFile" && disk.isFull) {
          return async (bytes: Uint8Array) => {
            await target.appendFile(bytes.subarray(0, 10));
            throw new Error("ENOSPC: no space left on device");
          };
        }
        const value = Reflect.get(target, key) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
  );
}

test("a disk that is full for a moment leaves nothing behind that is not cleared later", () =>
  inFolder(async (path) => {
    const disk = { isFull: true };
    const spool = await onDisk(path, disk);
    await spool.read();
    for (let times = 0; times < 3; times++) {
      assert.match((await failureOf(spool.append(entries))).message, "ENOSPC");
    }
    disk.isFull = false;
    await spool.append(entries);
    await using(path, async (other) => assert.equal((await other.read()).entries, entries));
    await spool.clear();
    assert.is((await stat(path)).size, 0);
    await spool.close();
  }));

test("lines torn by a full disk cost nothing that is before or after them, however often it was full", () =>
  inFolder(async (path) => {
    const [first, second, third] = entries as [ChatWrite, ChatWrite, ChatWrite];
    const disk = { isFull: false };
    for (const write of [first, second, third]) {
      // Each process finds the torn line of the one before it, and the disk still full.
      const spool = await onDisk(path, disk);
      await spool.read();
      disk.isFull = false;
      await spool.append([write]);
      disk.isFull = true;
      assert.match((await failureOf(spool.append([move]))).message, "ENOSPC");
      await spool.close();
    }
    await using(path, async (spool) => assert.equal(await spool.read(), { entries, unreadable: 2 }));
  }));

async function openFile(path: string): Promise<{ readonly file: FileHandle }> {
  await mkdir(dirname(path), { recursive: true });
  return { file: await open(path, "a+") };
}

test("only the owner may read it", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    if (process.platform !== "win32") assert.is((await stat(path)).mode & 0o777, 0o600);
  }));

test("what another process has added meanwhile is not cleared away", () =>
  inFolder(async (path) => {
    await using(path, async (spool) => {
      await spool.read();
      await spool.append(entries);
      await using(path, async (other) => {
        await other.read();
        await other.append([move]);
      });
      await spool.clear();
    });
    await using(path, async (spool) => assert.equal((await spool.read()).entries.at(-1), move));
  }));

test.run();

const bot = suite("a bot with a spool file", {}, 60_000);

const clock = new FastClock(20);

function queued({ bot }: Scene, count: number): Promise<void> {
  return until(() => bot.health.queuedUpdates === count, "they are not queued");
}

bot(
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

bot(
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

bot(
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

bot(
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
        await using(spoolFile, (spool) => spool.append(said));
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

bot(
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
        await writeFile(spoolFile, `${stops[0]?.slice(0, 30)}\n${stops[1]?.slice(0, 9)}`);
        await another().startBot();
        assert.is((await stat(spoolFile)).size, 0);
      }, { bot: { clock, spoolFile }, state: "made" });
    }),
);

bot("stopped before the list was ever read, a bot leaves no file open", () =>
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

bot("a spool that is replayed twice counts once", () =>
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

bot("a restart within the outage answers nobody again", () =>
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

bot(
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

bot.run();
