import type { Ledger } from "../../lib/broadcast/ledger.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import type { StorageError } from "../../lib/chats/storage.ts";
import type { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import { ledgerContract } from "../contracts/ledger.ts";
import { assert, suite } from "../harness.ts";
import { noon } from "../support/chats.ts";
import { fullRun, itemSize, type LedgerFixture, runAt, startLedger } from "../support/ledger.ts";
import { failureOf, TestClock } from "../support/storage.ts";

let shared: LedgerFixture | undefined;

ledgerContract("InMemoryLedger", () => {
  const ledger = new InMemoryLedger();
  return Promise.resolve([ledger, ledger] as const);
}, () => Promise.resolve());

ledgerContract("DynamoDBLedger", async (): Promise<readonly [Ledger, Ledger]> => {
  shared = await startLedger();
  return [shared.ledger(new TestClock(noon)), shared.ledger(new TestClock(noon))];
}, async () => {
  assert.equal(shared?.trespasses(), []);
  await shared?.close();
});

const test = suite("DynamoDBLedger", {}, 60_000);

/** On an engine of its own, without the table. */
function onEmpty(title: string, body: (table: LedgerFixture) => Promise<void>, createTableMs = 0): void {
  test(title, async () => {
    const table = await startLedger({ createTableMs });
    try {
      await body(table);
      assert.equal(table.trespasses(), []);
    } finally {
      await table.close();
    }
  });
}

/** With a run of the id `a` begun by `owner-1`, and the counts at zero. */
function onRun(title: string, body: (table: LedgerFixture, ledger: DynamoDBLedger) => Promise<void>): void {
  onEmpty(title, async (table) => {
    const ledger = table.ledger(new TestClock(noon));
    await ledger.begin(runAt("a"));
    table.gate.resetCounts();
    await body(table, ledger);
  });
}

onRun("each step is one request", async ({ gate }, ledger) => {
  const step = async (action: string, work: Promise<unknown>): Promise<void> => {
    await work;
    assert.equal([gate.requests, gate.count(action)], [1, 1], action);
    gate.resetCounts();
  };
  await step("UpdateItem", ledger.begin(runAt("b")));
  await step("UpdateItem", ledger.save(runAt("a", { sent: 1 })));
  await step("UpdateItem", ledger.claim(runAt("a"), "owner-2", noon));
  await step("GetItem", ledger.get("a"));
  await step("Query", ledger.open());
});

onRun(
  "a write that is refused reads the run no more, as the refusal carries it",
  async ({ gate }, ledger) => {
    await ledger.begin(runAt("a", { owner: "owner-2" }));
    await ledger.save(runAt("a", { owner: "owner-2" }));
    await ledger.claim(runAt("a", { fence: 7 }), "owner-2", noon);
    assert.is(gate.count("UpdateItem"), 3);
    assert.is(gate.count("GetItem"), 0);
  },
);

onRun("the index holds only runs that are not finished, by their keys", async (table, ledger) => {
  await ledger.writeText("a", "message-1", "x".repeat(2000));
  assert.equal(await table.items("open"), [
    { broadcast_id: { S: "a" }, record: { S: "run" }, open: { S: "open" } },
  ]);
  await ledger.save(runAt("a", { state: "finished" }));
  assert.equal(await table.items("open"), []);
  assert.is("open" in await table.item("a"), false);
});

onEmpty("open() reads page after page", async (table) => {
  const ledger = table.ledger(new TestClock(noon));
  const ids = ["a", "b", "c", "d", "e"];
  for (const id of ids) await ledger.begin(runAt(id));
  const client = table.client();
  client.middlewareStack.add((next) => (args) => {
    Object.assign(args.input, { Limit: 2 });
    return next(args);
  }, { step: "initialize" });
  assert.equal((await table.ledgerOf(client).open()).sort(), ids);
  assert.is(table.gate.count("Query"), 3);
});

for (
  const [name, id] of [["128 letters", "x".repeat(128)], [
    "128 signs of three bytes",
    "€".repeat(128),
  ]] as const
) {
  onEmpty(`every part of a text is an item under 1 KB, with an id of ${name}`, async (table) => {
    const ledger = table.ledger();
    const text = "😀".repeat(4096);
    const parts = await ledger.writeText(id, "message-1", text);
    const items = await table.items();
    assert.is(items.length, parts);
    for (const item of items) {
      assert.ok(itemSize(item) < 1024, `${itemSize(item)} bytes`);
      assert.ok(new TextEncoder().encode(item["text"]?.S).length <= 900);
    }
    assert.is(items.reduce((sum, item) => sum + (item["text"]?.S?.length ?? 0), 0), text.length);
  });
}

onEmpty("the largest run is an item under 1 KB, with an id of 128 letters", async (table) => {
  const ledger = table.ledger(new TestClock(noon));
  const run = fullRun("x".repeat(128));
  await ledger.begin(run);
  assert.is(await ledger.save(run), true);
  const size = itemSize(await table.item(run.broadcast_id));
  assert.ok(size < 1024, `${size} bytes`);
  assert.equal(await ledger.get(run.broadcast_id), run);
});

onRun("attributes that are none of ours survive every write", async (table, ledger) => {
  const foreign = {
    note: { M: { by: { S: "an operator" } } },
    tags: { SS: ["x"] },
    seen: { NULL: true as const },
  };
  await table.put({ ...await table.item("a"), ...foreign, label: { S: "morning" } });
  const run = await ledger.get("a");
  assert.equal(run, runAt("a", { label: "morning" }));
  await ledger.save(runAt("a", { sent: 1 }));
  await ledger.claim(runAt("a"), "owner-2", noon);
  await ledger.save(runAt("a", { owner: "owner-2", fence: 2, state: "finished" }));
  const { note, tags, seen, label } = await table.item("a");
  assert.equal({ note, tags, seen, label }, { ...foreign, label: { S: "morning" } });
});

onRun("an item that is no run is an error, and never taken for none", async (table, ledger) => {
  const { fence: _fence, ...rest } = await table.item("a");
  await table.put(rest);
  const works = [() => ledger.get("a"), () => ledger.begin(runAt("a")), () => ledger.save(runAt("a"))];
  for (const work of works) {
    const error = await failureOf(work());
    assert.is((error as StorageError).reason, "failed");
    assert.match(error.message, /"run" of the broadcast "a" is no run/);
  }
});

test.run();
