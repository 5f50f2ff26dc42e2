/**
 * Ledgers whose answers get lost, whose requests come late, and of which many want the same run. `LEDGER_BROADCASTS=400`
 * has them race for longer than `npm test` does.
 */
import process from "node:process";
import type { Ledger, RunRecord } from "../../lib/broadcast/ledger.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import type { StorageError } from "../../lib/chats/storage.ts";
import type { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { assert, suite } from "../harness.ts";
import { noon } from "../support/chats.ts";
import { randomOf } from "../support/histories.ts";
import { type LedgerFixture, runAt, startLedger } from "../support/ledger.ts";
import { failureOf, TestClock } from "../support/storage.ts";

const firstSeed = Number(process.env["LEDGER_SEED"] || Date.now() % 1_000_000_000);
const broadcasts = Number(process.env["LEDGER_BROADCASTS"] || 40);
const owners = 4;

const lost = suite("DynamoDBLedger: answers that are lost or late", {}, 60_000);

function onRun(title: string, body: (table: LedgerFixture, ledger: DynamoDBLedger) => Promise<void>): void {
  lost(title, async () => {
    const table = await startLedger();
    try {
      const ledger = table.ledger(new TestClock(noon));
      await ledger.begin(runAt("a"));
      await body(table, ledger);
    } finally {
      await table.close();
    }
  });
}

const saved = runAt("a", { cursor: 5 });
const claimed = runAt("a", { owner: "owner-2", fence: 2, lease_until: 7 });

/** Each step, and what it gives where its answer was lost. */
const steps: [string, (ledger: DynamoDBLedger) => Promise<unknown>, unknown][] = [
  ["begin()", (ledger) => ledger.begin(runAt("b")), runAt("b")],
  ["claim()", (ledger) => ledger.claim(runAt("a"), "owner-2", 7), claimed],
  ["save()", (ledger) => ledger.save(saved), true],
  ["save() of the end", (ledger) => ledger.save({ ...saved, state: "finished" }), true],
  ["writeText()", (ledger) => ledger.writeText("a", "message-1", "x".repeat(1000)), 2],
];

for (const [name, step, given] of steps) {
  onRun(`${name} finds out that it was done where the answer was lost`, async ({ gate }, ledger) => {
    const fault = gate.loseAnswers({ action: "UpdateItem", times: 1 });
    assert.equal(await step(ledger), given);
    assert.is(fault.fired, 1);
  });

  onRun(`${name} may be repeated after an error, and is done once`, async ({ gate }, ledger) => {
    const fault = gate.loseAnswers({ action: "UpdateItem", times: 3 });
    assert.is((await failureOf(step(ledger)) as StorageError).reason, "unreachable");
    assert.is(fault.fired, 3);
    assert.equal(await step(ledger), given);
  });
}

/** Holds the next UpdateItem back until it is told to go on. */
function holdNext({ gate }: LedgerFixture): { reached: Promise<void>; release: () => void } {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => release = resolve);
  const reached = new Promise<void>((resolve) => {
    const hook = gate.before("UpdateItem", () => {
      hook.clear();
      resolve();
      return released;
    });
  });
  return { reached, release };
}

onRun("a save that arrives late does not undo a later one", async (table, ledger) => {
  const { reached, release } = holdNext(table);
  const late = ledger.save(runAt("a", { cursor: 1, pending: [1] }));
  await reached;
  assert.is(await ledger.save(runAt("a", { cursor: 2 })), true);
  release();
  assert.is(await late, true, "the run is still its owner's");
  assert.equal(await ledger.get("a"), runAt("a", { cursor: 2 }));
});

onRun("a save that arrives after the end does not undo it", async (table, ledger) => {
  const { reached, release } = holdNext(table);
  const late = ledger.save(runAt("a", { cursor: 1 }));
  await reached;
  assert.is(await ledger.save(runAt("a", { state: "finished" })), true);
  release();
  await late;
  assert.equal(await ledger.get("a"), runAt("a", { state: "finished" }));
});

onRun("a save that arrives after somebody has taken over is refused", async (table, ledger) => {
  const { reached, release } = holdNext(table);
  const late = ledger.save(runAt("a", { cursor: 1 }));
  await reached;
  await table.ledger().claim(runAt("a"), "owner-2", 7);
  release();
  assert.is(await late, false);
  assert.equal(await ledger.get("a"), claimed);
});

onRun("a new owner saves, whatever the clock of the one before said", async (table, ledger) => {
  await table.ledger(new TestClock(noon + 1_000_000)).save(saved);
  await ledger.claim(saved, "owner-2", 7);
  assert.is(await ledger.save({ ...claimed, cursor: 6 }), true);
  assert.is((await ledger.get("a"))?.cursor, 6);
});

onRun("saves within one millisecond, and with a clock that goes back, keep their order", async (table) => {
  const clock = new TestClock(noon);
  const ledger = table.ledger(clock);
  for (let cursor = 1; cursor <= 5; cursor++) {
    assert.is(await ledger.save(runAt("a", { cursor })), true);
    assert.is((await ledger.get("a"))?.cursor, cursor);
    clock.ms -= cursor % 2;
  }
});

lost.run();

const races = suite("Ledger: many owners of one run", {}, 120_000);

/** What everybody was told of one broadcast. */
interface Told {
  readonly ownerOf: Map<number, Set<string>>;
  /** Marks that were tried, by owner and fence, and whether they were said to be kept. */
  readonly saves: {
    readonly mark: number;
    readonly owner: string;
    readonly fence: number;
    isKept: boolean;
  }[];
}

/** Repeats what failed, as a caller does. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if ((error as StorageError).reason !== "unreachable") throw error;
    }
  }
}

/** Wants the run, however often it is taken away, and writes a mark of its own with each save. */
async function contend(
  ledger: Ledger,
  id: string,
  name: string,
  random: () => number,
  told: Told,
): Promise<void> {
  for (let turn = 0; turn < 4; turn++) {
    const owner = `${name}.${turn}`;
    const found = await again(() => ledger.get(id));
    const owned = found === undefined
      ? await again(() => ledger.begin(runAt(id, { owner, marks: [] })))
      : await again(() => ledger.claim(found, owner, found.lease_until + 1));
    if (owned?.owner !== owner) continue;
    told.ownerOf.set(owned.fence, (told.ownerOf.get(owned.fence) ?? new Set()).add(owner));
    await saveOften(ledger, owned, random, told);
  }
}

async function saveOften(ledger: Ledger, owned: RunRecord, random: () => number, told: Told): Promise<void> {
  let run = owned;
  const saves = 1 + Math.floor(random() * 4);
  for (let step = 0; step < saves; step++) {
    const mark = run.fence * 100 + step;
    const lease_until = run.lease_until + (random() < 0.5 ? 1 : 0);
    run = { ...run, lease_until, marks: [...run["marks"] as number[], mark] };
    const save = { mark, owner: run.owner, fence: run.fence, isKept: false };
    told.saves.push(save);
    save.isKept = await again(() => ledger.save(run));
    if (!save.isKept) return;
    if (random() < 0.3) await new Promise((resolve) => setTimeout(resolve, random() * 5));
  }
}

/**
 * Whoever was told that a mark is kept finds it in the end, and between the marks of one owner there is no other's.
 * (A mark whose answer was lost may be kept and its owner be told "no more yours", where somebody came between.)
 */
async function check(ledger: Ledger, id: string, { ownerOf, saves }: Told): Promise<void> {
  const last = await ledger.get(id);
  const marks = last?.["marks"] as number[];
  assert.equal(marks, [...new Set(marks)].sort((a, b) => a - b), "each once, in the order of the fences");
  assert.equal(saves.filter(({ mark, isKept }) => isKept && !marks.includes(mark)), [], "kept, as was told");
  assert.equal([...ownerOf].filter(([, names]) => names.size > 1), [], "one owner a fence");
  assert.equal(saves.filter(({ owner, fence }) => !ownerOf.get(fence)?.has(owner)), []);
  assert.is(last?.fence, Math.max(...ownerOf.keys()));
  const tried = saves.map(({ mark }) => mark);
  assert.equal(marks.filter((mark) => !tried.includes(mark)), [], "tried before it was kept");
}

async function race(ledgers: readonly Ledger[], seed: number): Promise<number> {
  const id = `broadcast-${seed}`;
  const told: Told = { ownerOf: new Map(), saves: [] };
  await Promise.all(
    ledgers.map((ledger, index) => contend(ledger, id, `owner-${index}`, randomOf(seed * 31 + index), told)),
  );
  try {
    await check(ledgers[0] as Ledger, id, told);
  } catch (error) {
    throw new Error(`LEDGER_SEED=${seed} (with LEDGER_BROADCASTS=1): ${String(error)}`, { cause: error });
  }
  return told.ownerOf.size;
}

/** Some broadcasts at a time. */
async function raceAll(ledgers: readonly Ledger[]): Promise<void> {
  let takeovers = 0;
  for (let from = 0; from < broadcasts; from += 10) {
    const seeds = Array.from(
      { length: Math.min(10, broadcasts - from) },
      (_, index) => firstSeed + from + index,
    );
    const fences = await Promise.all(seeds.map((seed) => race(ledgers, seed)));
    takeovers += fences.reduce((sum, count) => sum + count - 1, 0);
  }
  assert.ok(takeovers >= broadcasts, `only ${takeovers} take-overs`);
}

races("in memory, no save is lost and each fence has one owner", async () => {
  const ledger = new InMemoryLedger();
  await raceAll(Array.from({ length: owners }, () => ledger));
});

races(
  "in DynamoDB, with 30 % of the answers lost, no save is lost and each fence has one owner",
  async () => {
    const table = await startLedger({ random: randomOf(firstSeed) });
    try {
      await table.ledger(new TestClock(noon)).begin(runAt("first"));
      const fault = table.gate.loseAnswers({ action: "UpdateItem", share: 0.3 });
      await raceAll(Array.from({ length: owners }, () => table.ledger()));
      assert.ok(fault.fired > broadcasts);
      assert.equal(table.trespasses(), []);
    } finally {
      await table.close();
    }
  },
);

races.run();
