/** Which ledger a broadcast is kept in while DynamoDB can be used, cannot, and can again. */
import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LedgerFailover, type LedgerWait } from "../../lib/broadcast/ledger_failover.ts";
import type { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { type LocalLedger, openLocalLedger } from "../../lib/broadcast/local_ledger.ts";
import type { RunRecord } from "../../lib/broadcast/ledger.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import type { StorageError } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { noon, secondMs } from "../support/chats.ts";
import { type LedgerFixture, runAt, startLedger } from "../support/ledger.ts";
import { StepClock } from "../support/clocks.ts";
import { failureOf, TestClock, TestLogger } from "../support/storage.ts";
import { rm } from "../support/leaks.ts";

const send: LedgerWait = { whenLedgerDown: "send", leftMs: () => Infinity };
const wait: LedgerWait = { ...send, whenLedgerDown: "wait" };
const finished = { state: "finished" as const, sent: 3 };

interface Scene {
  readonly table: LedgerFixture;
  readonly real: DynamoDBLedger;
  readonly local: LocalLedger;
  readonly failover: LedgerFailover;
  readonly clock: StepClock;
  readonly logger: TestLogger;
  readonly ending: AbortController;
  /** Undefined where it is kept in memory only. */
  readonly path: string | undefined;
  /** Another process: on the same file, where there is one. */
  another(): Promise<Pick<Scene, "local" | "failover">>;
}

const test = suite("LedgerFailover", {}, 60_000);

/** With the ledger's table there. What takes time in the toolkit takes it by the clock; DynamoDB answers in its own. */
function on(where: "disk" | "memory", title: string, body: (scene: Scene) => Promise<void>): void {
  test(title, async () => {
    const folder = await mkdtemp(join(tmpdir(), "ledger-failover-"));
    const path = where === "disk" ? join(folder, "broadcasts") : undefined;
    const table = await startLedger();
    const [clock, logger, ending] = [new StepClock(noon), new TestLogger(), new AbortController()];
    const real = table.ledger(new TestClock(noon));
    const opened: LocalLedger[] = [];
    const another = async (): Promise<Pick<Scene, "local" | "failover">> => {
      const local = await openLocalLedger({
        file: path === undefined ? undefined : { path, botId: 1 },
        clock,
        logger,
      });
      opened.push(local);
      const options = { ledger: () => real, local, clock, logger, signal: ending.signal };
      return { local, failover: new LedgerFailover(options) };
    };
    try {
      await real.begin(runAt("first", finished));
      table.gate.resetCounts();
      await body({ ...{ table, real, clock, logger, ending, path, another }, ...await another() });
      assert.equal(table.trespasses(), []);
    } finally {
      ending.abort(new Error("the test is over"));
      for (const local of opened) await local.close().catch(() => {});
      await table.close();
      await rm(folder, { recursive: true });
    }
  });
}

/** A little of the machine's own time, for what DynamoDB answers. */
const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 2));

/** Lets time pass by the clock until it is so. */
async function until({ clock }: Scene, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let steps = 0; steps < 2000; steps++) {
    if (await isSo()) return;
    await clock.pass(100);
    await moment();
  }
  throw new Error("it never was so");
}

on("memory", "a ledger that answers is the one, and what it has comes with it", async (scene) => {
  const { table, failover, real, local, clock } = scene;
  assert.equal(await failover.for("a", send), { ledger: real, found: undefined });
  assert.equal([table.gate.count("GetItem"), table.gate.count("Query")], [1, 1]);
  await real.begin(runAt("a"));
  const chosen = await failover.for("a", wait);
  assert.is(chosen.ledger, real);
  assert.equal(chosen.found, runAt("a"));
  assert.equal([table.gate.count("GetItem"), table.gate.count("Query")], [2, 1], "searched for once");
  assert.equal([local.ids.size, clock.sleepers], [0, 0], "nothing goes on");
});

for (
  const [what, fail] of [
    ["denied", ({ gate }: LedgerFixture) => gate.deny()],
    ["throttled", ({ gate }: LedgerFixture) => gate.throttle()],
    ["cut off", ({ gate }: LedgerFixture) => gate.refuse()],
    ["denied the search", ({ gate }: LedgerFixture) => gate.deny("Query")],
  ] as const
) {
  on(
    "disk",
    `a signal is sent where the ledger is ${what}: kept here, told once, and handed over`,
    async (scene) => {
      const { table, failover, real, local, logger, path } = scene;
      const fault = fail(table);
      for (const id of ["a", "b"]) {
        const chosen = failover.for(id, send);
        await until(scene, () => Promise.race([chosen.then(() => true), moment().then(() => false)]));
        assert.equal(await chosen, { ledger: local, found: undefined });
        await local.begin(runAt(id));
      }
      assert.equal(await failover.for("a", send), { ledger: local, found: runAt("a") });
      assert.is(logger.lines.length, 1);
      assert.match(logger.lines[0] ?? "", /Dynamo|AWS/);
      assert.ok(logger.lines[0]?.includes(`in memory and in the file ${path} until then`));
      // A request of the search may succeed as soon as it can.
      for (const id of ["a", "b"]) await local.save(runAt(id, finished));
      fault.clear();
      await until(scene, () => logger.lines.length > 1);
      assert.is(local.ids.size, 0);
      for (const id of ["a", "b"]) assert.equal(await real.get(id), runAt(id, finished));
      assert.equal((await failover.for("a", send)).ledger, real);
      assert.equal(logger.lines.slice(1), [
        "The ledger of broadcasts can be used again: 2 broadcasts that were sent without it are in it now.",
      ]);
      assert.is((await stat(path ?? "")).size, 0);
      await until(scene, () => scene.clock.sleepers === 0);
    },
  );
}

on("memory", "a signal waits 800 ms for a ledger that hangs", async ({ table, failover, local, clock }) => {
  const fault = table.gate.hang();
  let chosen: unknown;
  void failover.for("a", send).then(({ ledger }) => chosen = ledger, () => {});
  while (fault.fired < 2) await moment();
  await clock.pass(799);
  await moment();
  assert.is(chosen, undefined);
  await clock.pass(1);
  await moment();
  assert.is(chosen, local);
});

on(
  "memory",
  "an answer that comes late ends a run which the ledger has of another process",
  async (scene) => {
    const { table, failover, real, local, clock, logger } = scene;
    const theirs = runAt("a", { owner: "owner-2", ...finished });
    await table.ledgerOf(table.direct).begin(theirs);
    let release = (): void => {};
    const hook = table.gate.before("GetItem", () => new Promise<void>((resolve) => release = resolve));
    const choosing = failover.for("a", send);
    while (hook.fired === 0) await moment();
    await clock.pass(1000);
    assert.is((await choosing).ledger, local);
    await local.begin(runAt("a"));
    hook.clear();
    release();
    while (local.ids.has("a")) await (clock.sleepers > 0 ? clock.pass(250) : moment());
    assert.ok(clock.passedMs - noon < 10 * secondMs, "before long");
    assert.is(await local.save(runAt("a", { cursor: 5 })), false, "it ends");
    await until(scene, () => logger.lines.length > 1);
    assert.match(logger.lines[1] ?? "", /^The broadcast "a" was sent by two processes/);
    assert.equal(await real.get("a"), theirs);
  },
);

on("memory", "whoever waits gets the ledger when it is back", async (scene) => {
  const { table, failover, real, clock, logger } = scene;
  const fault = table.gate.throttle({ type: "ProvisionedThroughputExceededException" });
  let chosen: unknown;
  void failover.for("a", wait).then(({ ledger }) => chosen = ledger, () => {});
  await until(scene, () => fault.fired > 20);
  assert.is(chosen, undefined);
  assert.equal(logger.lines.length, 1);
  assert.match(
    logger.lines[0] ?? "",
    /The broadcast "a" waits until the ledger can be used\. .*(throttles|answered)/,
  );
  fault.clear();
  await until(scene, () => chosen !== undefined);
  assert.is(chosen, real);
  await until(scene, () => clock.sleepers === 0);
});

on("memory", "a wait ends when its time is over, or with its signal", async (scene) => {
  const { table, failover, clock } = scene;
  table.gate.throttle();
  const ending = new AbortController();
  const over = failureOf(failover.for("a", { ...wait, leftMs: () => noon + 20 * secondMs - clock.now() }));
  const ended = failureOf(failover.for("b", { ...wait, signal: ending.signal }));
  let isOver = false;
  void over.then(() => isOver = true);
  await until(scene, () => isOver);
  // By this clock the SDK's own retries may take too long.
  assert.match((await over as StorageError).reason, /^(throttled|unreachable)$/);
  assert.ok(clock.now() >= noon + 20 * secondMs);
  ending.abort(new Error("the caller has had enough"));
  assert.match((await ended).message, "the caller has had enough");
});

for (
  const [reason, fault] of [
    ["denied", { status: 400, type: "AccessDeniedException", message: "not authorized" }],
    ["credentials", { status: 400, type: "UnrecognizedClientException", message: "token is invalid" }],
    ["region", { status: 400, type: "InvalidSignatureException", message: "to a valid region" }],
  ] as const
) {
  on("memory", `a wait that nothing mends is none: ${reason}`, async ({ table, failover, clock }) => {
    table.gate.fail(fault);
    assert.is((await failureOf(failover.for("a", wait)) as StorageError).reason, reason);
    assert.is(clock.passedMs, noon);
  });
}

on(
  "memory",
  "an item that is no run is an error, and no reason to send",
  async ({ table, failover, local }) => {
    await table.put({ broadcast_id: { S: "a" }, record: { S: "run" } });
    assert.is((await failureOf(failover.for("a", send)) as StorageError).reason, "failed");
    assert.is(local.ids.size, 0);
  },
);

on("memory", "what the ledger is known to have is not sent without it", async (scene) => {
  const { table, failover, real, local } = scene;
  await real.begin(runAt("a", finished));
  await failover.for("a", send);
  failover.remember("b");
  const fault = table.gate.throttle();
  const chosen: string[] = [];
  for (const id of ["a", "b"]) {
    void failover.for(id, send).then(({ ledger }) => chosen.push(`${id} ${ledger === real}`), () => {});
  }
  await until(scene, () => fault.fired > 20);
  assert.equal([chosen, [...local.ids]], [[], []]);
  fault.clear();
  await until(scene, () => chosen.length === 2);
  assert.equal(chosen.sort(), ["a true", "b true"]);
});

on(
  "disk",
  "what a killed process has left is gone on with in the outage, and handed over after it",
  async (scene) => {
    const { table, local, real, another, logger } = scene;
    const fault = table.gate.deny();
    await local.begin(runAt("a", { cursor: 5 }));
    await local.begin(runAt("b", finished));
    const next = await another();
    assert.equal(await next.failover.open(), ["a"]);
    const { ledger, found } = await next.failover.for("a", send);
    assert.is(ledger, next.local);
    assert.ok(found !== undefined && found.lease_until === 0);
    const claimed = await ledger.claim(found, "owner-2", noon + 3600 * secondMs);
    await until(scene, () => fault.fired > 3);
    assert.is(
      logger.lines.filter((line) => line.includes("are sent all the same")).length,
      2,
      "once by each process",
    );
    fault.clear();
    await until(scene, () => !next.local.ids.has("b"));
    await until(scene, async () => (await real.get("a")) !== undefined);
    assert.equal(await real.get("a"), claimed, "it is run there, too");
    await ledger.save({ ...found, ...finished, owner: "owner-2", fence: 2 });
    await until(scene, () => next.local.ids.size === 0);
    assert.is((await real.get("a"))?.state, "finished");
    assert.equal((await next.failover.for("a", send)).ledger, real);
  },
);

on("memory", "it is tried every 5 s, and ever more seldom", async ({ table, local, clock }) => {
  const fault = table.gate.deny();
  await local.begin(runAt("a", finished));
  const triedAt: number[] = [];
  while (triedAt.length < 12) {
    // Time passes only between two attempts.
    await (clock.sleepers > 0 ? clock.pass(250) : moment());
    if (fault.fired > triedAt.length) triedAt.push(clock.passedMs - noon);
  }
  const rests = triedAt.slice(1).map((at, index) => at - (triedAt[index] ?? 0));
  assert.ok((triedAt[0] ?? 0) <= 5500, `after ${triedAt[0]} ms`);
  assert.ok(
    rests.every((ms, index) => ms <= 30_500 && ms >= Math.min(29_000, rests[index - 1] ?? 7000)),
    `${rests}`,
  );
  assert.is(local.ids.size, 1);
});

on("memory", "close() hands over what is left, and tells what it cannot", async (scene) => {
  const { table, local, failover, real, logger, ending } = scene;
  await local.begin(runAt("a", finished));
  ending.abort();
  await failover.close();
  assert.is((await real.get("a"))?.state, "finished");
  const fault = table.gate.deny();
  await local.begin(runAt("b", finished));
  await failover.close();
  assert.match(logger.lines.at(-1) ?? "", /will not know of 1 broadcast \("b"\).*TELEGRAM_SPOOL_FILE/);
  fault.clear();
});

on("disk", "close() tells where it waits for the next start", async (scene) => {
  const { table, local, failover, real, logger, path, another } = scene;
  const fault = table.gate.deny();
  await local.begin(runAt("a", finished));
  await failover.close();
  assert.ok(logger.lines.at(-1)?.includes(`1 broadcast in the file ${path} will be written to it`));
  fault.clear();
  const next = await another();
  await until(scene, () => next.local.ids.size === 0);
  assert.is((await real.get("a"))?.state, "finished");
});

/** A ledger that takes its time. */
class Slow extends InMemoryLedger {
  readonly #clock: StepClock;

  constructor(clock: StepClock) {
    super();
    this.#clock = clock;
  }

  override async get(broadcastId: string): Promise<RunRecord | undefined> {
    await this.#clock.sleep(3000);
    return await super.get(broadcastId);
  }
}

test("a ledger that is slow while the table of chats answers is waited for; one that is as silent as that is not", async () => {
  for (const isNear of [true, false]) {
    const [clock, logger, ending] = [new StepClock(noon), new TestLogger(), new AbortController()];
    const local = await openLocalLedger({ clock, logger });
    const slow = new Slow(clock);
    await slow.begin(runAt("a", finished));
    const askChats = (): Promise<void> => isNear ? Promise.resolve() : new Promise(() => {});
    const failover = new LedgerFailover({
      ...{ ledger: () => slow, local, askChats, clock, logger },
      signal: ending.signal,
    });
    const choosing = failover.for("a", send);
    await clock.pass(10_000);
    const { ledger, found } = await choosing;
    assert.equal([ledger === slow, found?.state], isNear ? [true, "finished"] : [false, undefined]);
    assert.is(logger.lines.length, isNear ? 0 : 1);
    ending.abort();
  }
});

test.run();
