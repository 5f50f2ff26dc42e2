/** The ledger of an outage: what outlives a kill, and how it gets into the real one. */
import { appendFile, type FileHandle, mkdtemp, open, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { RunRecord } from "../../lib/broadcast/ledger.ts";
import { LocalLedger, openLocalLedger } from "../../lib/broadcast/local_ledger.ts";
import { LocalFile } from "../../lib/broadcast/local_ledger_file.ts";
import { LineFile } from "../../lib/util/json_lines_file.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { ledgerContract } from "../contracts/ledger.ts";
import { noon, secondMs } from "../support/chats.ts";
import { randomOf } from "../support/histories.ts";
import { type LedgerFixture, runAt, startLedger } from "../support/ledger.ts";
import { StepClock } from "../support/clocks.ts";
import { failureOf, TestClock, TestLogger } from "../support/storage.ts";
import { rm } from "../support/leaks.ts";

const problems = JSON.stringify({ errors: [{ chatId: 5, message: "x".repeat(2000) }], migrations: [] });
const finished = { state: "finished" as const, sent: 3, p50_ms: 7, pending: [] };

function lineFile(path: string, file: FileHandle): LineFile {
  return new LineFile(file, { path, name: "file of broadcasts", botId: 1 });
}

interface Scene {
  readonly path: string;
  readonly clock: StepClock;
  readonly logger: TestLogger;
  /** A process on the file; the ones before it have been killed. */
  start(): Promise<LocalLedger>;
}

async function inFolder(body: (scene: Scene) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "local-ledger-"));
  const path = join(folder, "queue", "spool.jsonl.broadcasts");
  const [clock, logger] = [new StepClock(noon), new TestLogger()];
  const started: LocalLedger[] = [];
  const start = async (): Promise<LocalLedger> => {
    const ledger = await openLocalLedger({ file: { path, botId: 1 }, clock, logger });
    started.push(ledger);
    return ledger;
  };
  try {
    await body({ path, clock, logger, start });
  } finally {
    for (const ledger of started) await ledger.close();
    await rm(folder, { recursive: true });
  }
}

ledgerContract("LocalLedger in memory", async () => {
  const ledger = await openLocalLedger({ clock: new TestClock(noon), logger: new TestLogger() });
  return [ledger, ledger] as const;
}, () => Promise.resolve());

let folder = "";
ledgerContract("LocalLedger on disk", async () => {
  folder = await mkdtemp(join(tmpdir(), "local-ledger-"));
  const options = { path: join(folder, "broadcasts"), clock: new TestClock(noon), logger: new TestLogger() };
  const ledger = await openLocalLedger(options);
  return [ledger, ledger] as const;
}, async () => {
  await rm(folder, { recursive: true });
});

const disk = suite("LocalLedger: on disk");

disk(
  "what was written is there after a kill, and the lease of the dead process bars nobody",
  () =>
    inFolder(async ({ path, start }) => {
      const first = await start();
      const parts = await first.writeText("a", "message-1", "é".repeat(1500));
      const run = runAt("a", { message_name: "message-1", message_parts: parts, cursor: 5, pending: [1, 2] });
      await first.begin(run);
      assert.is(await first.save({ ...run, cursor: 9 }), true);
      await first.begin(runAt("b"));
      await first.writeText("b", "problems-1", problems);
      await first.save(runAt("b", { ...finished, problem_parts: 3 }));
      const second = await start();
      assert.equal(await second.get("a"), { ...run, cursor: 9, lease_until: 0 });
      assert.is(await second.readText("a", "message-1", parts), "é".repeat(1500));
      assert.equal(await second.get("b"), runAt("b", { ...finished, problem_parts: 3 }));
      assert.is(await second.readText("b", "problems-1", 3), problems);
      assert.equal([second.ids.has("a"), second.ids.has("b"), second.ids.has("c")], [true, true, false]);
      assert.equal(await second.open(), ["a"]);
      const claimed = await second.claim({ ...run, cursor: 9, lease_until: 0 }, "owner-2", noon);
      assert.equal(claimed, { ...run, cursor: 9, owner: "owner-2", fence: 2, lease_until: noon });
      assert.equal(await (await start()).get("a"), { ...claimed, lease_until: 0 });
      if (process.platform !== "win32") assert.is((await stat(path)).mode & 0o777, 0o600);
    }),
);

disk("a torn last line costs nothing but itself", () =>
  inFolder(async ({ path, logger, start }) => {
    const first = await start();
    await first.begin(runAt("a", { sent: 1 }));
    const before = (await readFile(path)).length;
    await first.save(runAt("a", { sent: 2 }));
    const whole = await readFile(path);
    for (let length = before + 1; length < whole.length - 1; length += 29) {
      await writeFile(path, whole.subarray(0, length));
      const next = await start();
      assert.is((await next.get("a"))?.["sent"], 1);
      assert.equal(logger.lines, []);
      await next.begin(runAt("b"));
      assert.equal((await (await start()).open()).sort(), ["a", "b"]);
      logger.lines.length = 0;
    }
  }));

disk(
  "lines that say nothing are counted, told and left out",
  () =>
    inFolder(async ({ path, logger, start }) => {
      await (await start()).begin(runAt("a"));
      const bad = [
        "null",
        "{}",
        '{"kind":"run","run":{"broadcast_id":"x"}}',
        '{"kind":"run"}',
        '{"kind":"text"}',
        "x",
      ];
      await appendFile(path, `${bad.join("\n")}\n`);
      const next = await start();
      assert.equal([...next.ids], ["a"]);
      assert.equal(logger.lines, [
        `6 lines of the file ${path} cannot be read, and are left out. Before the file is emptied they go to ${path}.unreadable.`,
      ]);
    }),
);

disk(
  "a file that cannot be used is an error which names it, and the fix",
  () =>
    inFolder(async ({ path, clock, logger, start }) => {
      await start();
      const error = await failureOf(
        openLocalLedger({ file: { path: join(path, "x"), botId: 1 }, clock, logger }),
      );
      assert.instance(error, ConfigError);
      assert.match(error.message, /The file of broadcasts ".*x" cannot be written .*TELEGRAM_SPOOL_FILE/);
    }),
);

disk(
  "a disk that is full is told once, and stops no run; afterwards everything is on it",
  () =>
    inFolder(async ({ path, clock, logger, start }) => {
      await start();
      let isFull = false;
      const file = new Proxy(await open(path, "a+"), {
        get(target, key) {
          if (key === "appendFile" && isFull) {
            return () => Promise.reject(new Error("ENOSPC: no space left on device"));
          }
          const value = Reflect.get(target, key) as unknown;
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
      const ledger = new LocalLedger(clock, new LocalFile(lineFile(path, file), logger));
      await ledger.begin(runAt("a"));
      isFull = true;
      const message_parts = await ledger.writeText("b", "message-1", "hello");
      await ledger.begin(runAt("b", { message_name: "message-1", message_parts }));
      assert.is(await ledger.save(runAt("a", { sent: 1 })), true);

      assert.is(logger.lines.length, 1);
      assert.match(logger.lines[0] ?? "", /ENOSPC.*Check the disk/);
      isFull = false;
      await ledger.begin(runAt("c"));
      const next = await start();
      assert.equal([...next.ids].sort(), ["a", "b", "c"]);
      assert.is((await next.get("a"))?.["sent"], 1);
      assert.is(await next.readText("b", "message-1", 1), "hello");
      await ledger.close();
    }),
);

disk(
  "what is appended after the file is cleared stays there, however busy the disk is",
  () =>
    inFolder(async ({ path, start }) => {
      await start();
      const file = lineFile(path, await open(path, "a+"));
      const isText = ({ text }: { readonly text: string }): boolean => typeof text === "string";
      await file.read(isText);
      await Promise.all([
        file.append([{ text: "a" }]),
        file.append([{ text: "b" }]),
        file.clear(),
        file.append([{ text: "c" }]),
        file.append([{ text: "d" }]),
      ]);
      await file.close();
      const again = lineFile(path, await open(path, "a+"));
      assert.equal(await again.read(isText), { entries: [{ text: "c" }, { text: "d" }], unreadable: 0 });
      await again.close();
    }),
);

disk(
  "a line that another process has left unfinished takes no other one with it",
  () =>
    inFolder(async ({ path, start }) => {
      await start();
      const isText = ({ text }: { readonly text: string }): boolean => typeof text === "string";
      const file = lineFile(path, await open(path, "a+"));
      await file.read(isText);
      const other = await open(path, "a+");
      await other.appendFile('"of another one wh');
      await file.append([{ text: "a" }]);
      await other.close();
      await file.close();
      const again = lineFile(path, await open(path, "a+"));
      assert.equal(await again.read(isText), { entries: [{ text: "a" }], unreadable: 1 });
      await again.close();
    }),
);

disk.run();

const test = suite("LocalLedger: handOver()", {}, 60_000);

interface HandOver extends Scene {
  readonly table: LedgerFixture;
}

/** With a ledger's table that is there, and a file. */
function over(title: string, body: (scene: HandOver) => Promise<void>, random?: () => number): void {
  test(title, () =>
    inFolder(async (scene) => {
      const table = await startLedger(random && { random });
      try {
        await table.ledger(new TestClock(noon)).begin(runAt("first", finished));
        await body({ ...scene, table });
        assert.equal(table.trespasses(), []);
      } finally {
        await table.close();
      }
    }));
}

const isEmpty = async (path: string): Promise<boolean> => (await stat(path)).size === 0;
const given = (handedOver: string[], conflicts: string[] = []): unknown => ({
  handedOver,
  conflicts,
  left: [],
});

/** Finished with problems, as a broadcast leaves it. */
async function finishWithProblems(ledger: LocalLedger, run: RunRecord): Promise<RunRecord> {
  await ledger.begin(run);
  const problem_parts = await ledger.writeText(run.broadcast_id, `problems-${run.fence}`, problems);
  const record = { ...run, ...finished, problem_parts };
  assert.is(await ledger.save(record), true);
  return record;
}

over(
  "a finished run is there as it would be otherwise, with its texts, and forgotten here",
  async (scene) => {
    const { table, path, start } = scene;
    const local = await start();
    const real = table.ledger(new TestClock(noon));
    const message_parts = await local.writeText("a", "message-1", "hello");
    const record = await finishWithProblems(local, runAt("a", { message_name: "message-1", message_parts }));
    assert.equal(await local.handOver(real), given(["a"]));
    assert.equal(await real.get("a"), record);
    assert.is(await real.readText("a", "problems-1", 3), problems);
    assert.is(await real.readText("a", "message-1", 1), "hello");
    assert.equal(await table.items("open"), [], "it is not among the open ones");
    assert.equal([local.ids.has("a"), local.ids.size, await local.get("a")], [false, 0, undefined]);
    assert.ok(await isEmpty(path));
    assert.equal(await local.handOver(real), given([]), "repeated");
    assert.equal([...(await start()).ids], []);
  },
);

over("a run that nobody runs any more is there for anyone to take over", async ({ table, start }) => {
  const first = await start();
  const message_parts = await first.writeText("a", "message-1", "hello");
  await first.begin(runAt("a", { message_name: "message-1", message_parts, cursor: 5 }));
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  assert.equal(await local.handOver(real), given(["a"]));
  assert.equal(await real.open(), ["a"]);
  const found = await real.get("a") as RunRecord;
  assert.equal(found, runAt("a", { message_name: "message-1", message_parts, cursor: 5, lease_until: 0 }));
  assert.is(await real.readText("a", "message-1", 1), "hello");
  assert.is((await real.claim(found, "owner-2", noon))?.fence, 2);
  assert.is(await first.save(runAt("a", { cursor: 6 })), true, "another process's memory is its own");
  assert.is(await local.save(runAt("a", { cursor: 6 })), false);
});

over(
  "a run whose lease has lapsed here is taken for left, and its owner is told",
  async ({ table, clock, start }) => {
    const local = await start();
    const real = table.ledger(new TestClock(noon));
    await local.begin(runAt("a"));
    await clock.pass(16 * secondMs);
    assert.equal(await local.handOver(real), given(["a"]));
    assert.is((await real.get("a"))?.lease_until, 0);
    assert.is(await local.save(runAt("a", { cursor: 5 })), false);
  },
);

over("a run that goes on here is written there with each save, and nobody begins it again", async (scene) => {
  const { table, path, start } = scene;
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  await local.begin(runAt("a"));
  assert.equal(await local.handOver(real), given([]));
  assert.equal(
    (await table.ledger(new TestClock(noon)).begin(runAt("a", { owner: "owner-2" }))).owner,
    "owner-1",
  );
  assert.is(await local.save(runAt("a", { cursor: 5 })), true);
  assert.is((await real.get("a"))?.cursor, 5);
  assert.equal(await local.handOver(real), given([]));
  const record = { ...runAt("a", { cursor: 5 }), ...finished };
  assert.is(await local.save(record), true);
  assert.equal(await local.handOver(real), given(["a"]));
  assert.equal(await real.get("a"), record);
  assert.ok(await isEmpty(path));
});

over("a run that goes on here does so where the ledger fails again", async ({ table, start }) => {
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  await local.begin(runAt("a"));
  await local.handOver(real);
  const fault = table.gate.deny();
  assert.is(await local.save(runAt("a", { cursor: 5 })), true);
  assert.is(await local.save(runAt("a", { cursor: 6 })), true);
  assert.is(fault.fired, 1, "it does not wait for it again");
  fault.clear();
  assert.is((await real.get("a"))?.cursor, undefined);
  assert.equal(await local.handOver(real), given([]));
  assert.is((await real.get("a"))?.cursor, 6);
});

over("a run that was taken over there ends here", async ({ table, start }) => {
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  await local.begin(runAt("a"));
  await local.handOver(real);
  const theirs = await real.claim(runAt("a"), "owner-2", noon);
  assert.is(await local.save(runAt("a", { cursor: 5 })), false);
  assert.is(local.ids.has("a"), false);
  assert.equal(await real.get("a"), theirs);
});

over("a run whose ledger failed in the middle goes on here, and back", async ({ table, start }) => {
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  await real.begin(runAt("a"));
  await local.continueHere(runAt("a", { cursor: 5 }));
  assert.is(await local.save(runAt("a", { cursor: 6 })), true);
  const next = await start();
  assert.equal(await next.open(), [], "after a kill only from the ledger, as others may have taken it over");
  assert.is(await next.claim(await next.get("a") as RunRecord, "owner-2", noon), undefined);
  assert.equal(await next.handOver(real), given(["a"]));
  assert.equal(await real.get("a"), runAt("a", { cursor: 6, lease_until: 0 }));
});

over("another process's run is left as it is, and told", async ({ table, path, start }) => {
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  const theirs = runAt("a", { owner: "owner-2", ...finished, problem_parts: 1 });
  await real.begin(theirs);
  await real.writeText("a", "problems-1", "theirs");
  await real.begin(runAt("b", { owner: "owner-2" }));
  await finishWithProblems(local, runAt("a"));
  await local.begin(runAt("b"));
  await local.begin(runAt("c", finished));
  assert.equal(await local.handOver(real), given(["c"], ["a", "b"]));
  assert.equal(await real.get("a"), theirs);
  assert.is(await real.readText("a", "problems-1", 1), "theirs");
  assert.is(await local.save(runAt("b", { cursor: 5 })), false, "it ends here");
  assert.ok(await isEmpty(path));
});

over("another process that is first by a moment keeps its report", async ({ table, start }) => {
  const local = await start();
  const other = table.ledgerOf(table.direct, new TestClock(noon));
  await finishWithProblems(local, runAt("a"));
  const hook = table.gate.before("UpdateItem", async () => {
    hook.clear();
    await other.begin(runAt("a", { owner: "owner-2", ...finished, problem_parts: 1 }));
    await other.writeText("a", "problems-1", "theirs");
  });
  assert.equal(await local.handOver(table.ledger(new TestClock(noon))), given([], ["a"]));
  assert.is((await other.get("a"))?.owner, "owner-2");
  assert.is(await other.readText("a", "problems-1", 1), "theirs");
});

over("in an outage nothing changes, and one run is tried", async ({ table, start }) => {
  const local = await start();
  await local.begin(runAt("a", { lease_until: 0 }));
  await local.begin(runAt("b", finished));
  const real = table.ledger(new TestClock(noon));
  for (const action of ["GetItem", "UpdateItem"]) {
    const fault = table.gate.deny(action);
    const { left, ...rest } = await local.handOver(real);
    assert.equal(rest, { handedOver: [], conflicts: [] });
    assert.equal(left.map(({ broadcast_id }) => broadcast_id), ["a"]);
    assert.is(fault.fired, 1);
    if (action === "GetItem") assert.equal(await local.open(), ["a"], "it can be gone on with here");
    fault.clear();
  }
  assert.equal([...local.ids], ["a", "b"]);
  assert.equal(await local.handOver(real), given(["a", "b"]));
});

over("a run that the ledger itself cannot take keeps no other back", async ({ table, start }) => {
  const local = await start();
  await table.put({ broadcast_id: { S: "a" }, record: { S: "run" } });
  await local.begin(runAt("a", finished));
  await local.begin(runAt("b", finished));
  const { handedOver, left } = await local.handOver(table.ledger(new TestClock(noon)));
  assert.equal(handedOver, ["b"]);
  assert.match(left[0]?.error.message ?? "", /is no run that this version can read/);
});

over("where the answer was lost, only the ledger gives the run away, even after a kill", async (scene) => {
  const { table, start } = scene;
  const first = await start();
  await first.begin(runAt("a", { lease_until: 0 }));
  const real = table.ledger(new TestClock(noon));
  const fault = table.gate.loseAnswers({ action: "UpdateItem" });
  assert.is((await first.handOver(real)).left.length, 1);
  fault.clear();
  const run = await first.get("a") as RunRecord;
  assert.equal([await first.open(), await first.claim(run, "owner-2", noon)], [[], undefined]);
  const second = await start();
  assert.equal([await second.open(), await second.claim(run, "owner-2", noon)], [[], undefined]);
  assert.equal(await second.handOver(real), given(["a"]));
  // A third one knows nothing of that.
  const theirs = await real.claim(run, "owner-3", noon + 60 * secondMs);
  assert.equal(await first.handOver(real), given(["a"]), "no conflict");
  assert.equal(await real.get("a"), theirs);
});

const seed = Number(process.env["LEDGER_SEED"] || Date.now() % 1_000_000_000);

over(`with half of the answers lost, all is there in the end (LEDGER_SEED=${seed})`, async (scene) => {
  const { table, path, start } = scene;
  let local = await start();
  const records: RunRecord[] = [];
  for (const id of ["a", "b", "c", "d"]) records.push(await finishWithProblems(local, runAt(id)));
  for (const id of ["e", "f"]) await local.begin(runAt(id));
  const real = table.ledger(new TestClock(noon));
  const fault = table.gate.loseAnswers({ share: 0.5 });
  for (let round = 0; round < 40 && (round === 0 || local.ids.size > 0); round++) {
    if (round % 3 === 0) local = await start();
    assert.equal((await local.handOver(real)).conflicts, []);
  }
  fault.clear();
  assert.equal((await local.handOver(real)).conflicts, []);
  assert.is(local.ids.size, 0);
  for (const record of records) {
    assert.equal(await real.get(record.broadcast_id), record);
    assert.is(await real.readText(record.broadcast_id, "problems-1", 3), problems);
  }
  assert.equal((await real.open()).sort(), ["e", "f"]);
  assert.ok(await isEmpty(path));
}, randomOf(seed));

over("a run that begins while the last one is handed over stays on disk", async ({ table, start }) => {
  const local = await start();
  const real = table.ledger(new TestClock(noon));
  for (let round = 0; round < 10; round++) {
    await local.begin(runAt(`done-${round}`, finished));
    const handing = local.handOver(real);
    for (let turns = 0; turns < 5 * round; turns++) await new Promise((resolve) => setTimeout(resolve));
    await Promise.all([handing, local.begin(runAt(`new-${round}`))]);
    assert.ok((await start()).ids.has(`new-${round}`), `round ${round}`);
    await local.save(runAt(`new-${round}`, finished));
    await local.handOver(real);
  }
});

over("texts of a run that never begins are forgotten", async ({ table, clock, path, start }) => {
  const local = await start();
  await local.writeText("a", "message-1", "hello");
  await local.handOver(table.ledger(new TestClock(noon)));
  assert.not(await isEmpty(path));
  await clock.pass(61 * secondMs);
  await local.handOver(table.ledger(new TestClock(noon)));
  assert.ok(await isEmpty(path));
  assert.match((await failureOf(local.readText("a", "message-1", 1))).message, "has lost");
});

test.run();
