/** The queue on disk: what outlives the process. */
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import {
  appendFile,
  chmod,
  chown,
  type FileHandle,
  link,
  mkdir,
  mkdtemp,
  open,
  readFile,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { openSpool, Spool } from "../../lib/chats/spool.ts";
import type { ChatWrite } from "../../lib/chats/writer.ts";
import { LineFile } from "../../lib/util/json_lines_file.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { failureOf } from "../support/storage.ts";
import { rm } from "../support/leaks.ts";

const botId = 4242;

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

async function using(path: string, body: (spool: Spool) => Promise<unknown>): Promise<void> {
  const spool = await openSpool(path, botId);
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

/** Lines that no queue writes. */
const badLines: readonly string[] = [
  "null",
  "5",
  "{}",
  '{"kind":"event","chatId":"1","event":{}}',
  '{"kind":"event","chatId":0,"event":{"kind":"message","at":1}}',
  '{"kind":"event","chatId":1,"event":{"kind":"deactivated","at":1}}',
  '{"kind":"event","chatId":1,"event":{"kind":"migrated","at":1,"to":-2}}',
  '{"kind":"event","chatId":1,"event":{"kind":"__proto__","at":1}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":"now"}}',
  '{"kind":"event","chatId":1,"event":{"kind":"stop","at":1e300}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":8640000000000001}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":-1}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"userInfo":{"user_id":1e300}}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"userInfo":{"username":5}}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"userInfo":{"first_name":{"a":1}}}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"userInfo":{"other":"x"}}}',
  '{"kind":"migration","from":-1,"to":-2,"at":1e300}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"updateId":"2"}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"userInfo":["x"]}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"addedBy":0.5}}',
  '{"kind":"event","chatId":1,"event":{"kind":"start","at":1,"threadId":-1}}',
  '{"kind":"event","chatId":1,"event":{"kind":"message","at":1,"registers":"no"}}',
  '{"kind":"event","chatId":1,"event":{"kind":"removed","at":1,"reason":"toString"}}',
  '{"kind":"migration"}',
  '{"kind":"migration","from":-1,"to":0,"at":1}',
  '{"bot_id":"4242","kind":"migration","from":-1,"to":-2,"at":1}',
  "\u0000\u0000",
];

test("lines that no queue writes are left out, and kept aside when the file is emptied", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries.slice(0, 1)));
    await appendFile(path, `${badLines.join("\n")}\n`);
    const expected = { entries: entries.slice(0, 1), unreadable: badLines.length };
    await using(path, async (spool) => assert.equal(await spool.read(), expected));
    await using(path, async (spool) => {
      assert.equal(await spool.read(), expected, "again, as they are not emptied yet");
      await spool.append([move]);
      await spool.clear();
      await spool.append([move]);
      await spool.clear();
    });
    assert.is((await stat(path)).size, 0);
    assert.is(
      await readFile(`${path}.unreadable`, "utf8"),
      `${asideHeading}${badLines.join("\n")}\n`,
      "once",
    );
    await assertPrivate(`${path}.unreadable`);
  }));

const asideHeading = "Lines of the spool file of the bot 4242 that cannot be read:\n";

test("what cannot be read is kept aside byte by byte, behind what is there already, and also without an end", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries.slice(0, 1)));
    const own = await readFile(path);
    const bytes = Buffer.concat([Buffer.from("\ud800 \u0000"), Buffer.from([0xff, 0xfe, 0x80, 0xc3])]);
    // A full disk has taken a part of the heading.
    await writeFile(`${path}.unreadable`, asideHeading.slice(0, 7));
    for (let times = 1; times <= 2; times++) {
      await writeFile(path, Buffer.concat([own, bytes, Buffer.from("\nmy diary")]));
      await using(path, async (spool) => {
        assert.is((await spool.read()).unreadable, 2);
        await spool.clear();
      });
      assert.is((await stat(path)).size, 0);
      const aside = Array.from({ length: times }, () => [bytes, Buffer.from("\nmy diary\n")]).flat();
      assert.equal(
        await readFile(`${path}.unreadable`),
        Buffer.concat([Buffer.from(asideHeading), ...aside]),
      );
    }
  }));

test("nothing is kept aside in another program's file", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    await appendFile(path, "5\n");
    await writeFile(`${path}.unreadable`, "my diary\n", { mode: 0o644 });
    await using(path, async (spool) => {
      await spool.read();
      assert.match(
        (await failureOf(spool.clear())).message,
        /spool\.jsonl\.unreadable" holds something else: move it/,
      );
    });
    assert.is(await readFile(`${path}.unreadable`, "utf8"), "my diary\n");
    if (process.platform !== "win32") assert.is((await stat(`${path}.unreadable`)).mode & 0o777, 0o644);
    assert.ok((await stat(path)).size > 0);
  }));

test("where they cannot be kept aside, the file is not emptied", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    await appendFile(path, "5\n");
    await mkdir(`${path}.unreadable`);
    await using(path, async (spool) => {
      await spool.read();
      assert.match((await failureOf(spool.clear())).message, /spool\.jsonl\.unreadable" cannot be written/);
    });
    await using(path, async (spool) => assert.is((await spool.read()).entries.length, entries.length));
  }));

/** A spool whose disk takes ten bytes of each append while it is full. */
async function onDisk(path: string, disk: { isFull: boolean }): Promise<Spool> {
  const { file } = await openFile(path);
  const faulty = new Proxy(file, {
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
  });
  return new Spool(new LineFile(faulty, { path, name: "spool file", botId }));
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

async function assertPrivate(path: string): Promise<void> {
  if (process.platform !== "win32") assert.is((await stat(path)).mode & 0o777, 0o600, path);
}

test("only the owner may read it, also where it was there before", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    await assertPrivate(path);
    await chmod(path, 0o666);
    await using(path, (spool) => spool.read());
    await assertPrivate(path);
  }));

/** Opens it, reads it, and gives the error of that. */
async function refusal(path: string): Promise<Error> {
  const error = await failureOf(using(path, async (spool) => void await spool.read()));
  assert.instance(error, ConfigError);
  assert.match(error.message, /^The spool file ".*" .*: .* in spoolFile or TELEGRAM_SPOOL_FILE\.$/);
  return error;
}

test("a link is not followed, and what is no file is not opened", () =>
  inFolder(async (path) => {
    const target = join(dirname(path), "..", "target");
    await mkdir(dirname(path));
    for (const isThere of [false, true]) {
      if (isThere) await writeFile(target, "somebody's");
      await symlink(target, path);
      assert.match((await refusal(path)).message, "is a link: name the file itself");
      await rm(path);
    }
    assert.is(await readFile(target, "utf8"), "somebody's");
    await link(target, path);
    assert.match((await refusal(path)).message, "has another name, too: name another one");
    await rm(path);
    await mkdir(path);
    assert.instance(await failureOf(openSpool(path, botId)), ConfigError);
    if (process.platform === "win32") return;
    await rm(path, { recursive: true });
    execFileSync("mkfifo", [path]);
    assert.match((await refusal(path)).message, "is no plain file");
  }));

test("somebody else's file is not used", () =>
  inFolder(async (path) => {
    // Only the root user may give a file away.
    if (process.geteuid?.() !== 0) return;
    await using(path, (spool) => spool.append(entries));
    await chown(path, 12345, 12345);
    assert.match(
      (await refusal(path)).message,
      /belongs to the user 12345, who is not the user of this program: give it to that one/,
    );
  }));

test("another bot's file is not read, and stays as it is", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    const before = await readFile(path, "utf8");
    assert.is(before.match(/"bot_id":4242,/g)?.length, entries.length, "each line says whose it is");
    const error = await failureOf(readAs(path, 99));
    assert.instance(error, ConfigError);
    assert.match(error.message, "is of the bot 4242, and this one is 99: name another one");
    assert.is(await readFile(path, "utf8"), before);
  }));

async function readAs(path: string, id: number): Promise<void> {
  const spool = await openSpool(path, id);
  await spool.read().finally(() => spool.close());
}

const otherFiles: Readonly<Record<string, string>> = {
  "a strategy's settings": "PAIR=BTC-USD\nINTERVAL=60\n",
  "another program's lines": '{"at":1,"price":2}\n{"at":2,"price":3}\n',
  "a database": "SQLite format 3\u0000\u0010\u0000",
  "a word": "x",
  "a film": "\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
  "zeros, and something else": `${"\0".repeat(16)}a disk's image`,
  "a manifest": '{"kind":"Pod","apiVersion":"v1"}',
  "a manifest's line": '{"kind":"Pod","apiVersion":"v1"}\n',
  "lines of another program with a bot_id": '{"bot_id":"another program","at":5}\n',
  "the beginning of another bot's line": '{"bot_id":42421,"kind":"ev',
};

for (const [what, content] of Object.entries(otherFiles)) {
  test(`a file that holds ${what} is refused, and stays as it is`, () =>
    inFolder(async (path) => {
      await mkdir(dirname(path));
      await writeFile(path, content);
      await chmod(path, 0o644);
      assert.match((await refusal(path)).message, "holds something else: name another one");
      assert.is(await readFile(path, "utf8"), content);
      if (process.platform !== "win32") assert.is((await stat(path)).mode & 0o777, 0o644);
    }));
}

test("what a loss of power has left of a file is no reason to refuse it", () =>
  inFolder(async (path) => {
    await using(path, (spool) => spool.append(entries));
    const line = (await readFile(path, "utf8")).split("\n")[1] ?? "";
    const zeros = "\0".repeat(40);
    for (
      const left of [
        "\n",
        line.slice(0, 5),
        `\n${line.slice(0, 60)}`,
        zeros,
        `${line.slice(0, 30)}${zeros}x}\n`,
      ]
    ) {
      await writeFile(path, left);
      await using(
        path,
        async (spool) => assert.equal((await spool.read()).entries, [], JSON.stringify(left)),
      );
    }
  }));

test("the lines of an earlier version, which do not name the bot, are read", () =>
  inFolder(async (path) => {
    await mkdir(dirname(path));
    await writeFile(path, [...entries, move].map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    await using(path, async (spool) => assert.equal((await spool.read()).entries, [...entries, move]));
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
