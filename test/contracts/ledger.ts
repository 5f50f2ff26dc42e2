/** The contract that every ledger of broadcasts has to fulfil. */
import type { Ledger, RunRecord } from "../../lib/broadcast/ledger.ts";
import type { StorageError } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { runAt } from "../support/ledger.ts";
import { failureOf } from "../support/storage.ts";

/** A check of one ledger, by two instances of it. */
type Check = (mine: Ledger, theirs: Ledger) => Promise<void>;

const checks: (readonly [title: string, body: Check])[] = [];

function check(title: string, body: Check): void {
  checks.push([title, body]);
}

check("nothing is there before anything was begun", async (mine) => {
  assert.is(await mine.get("a"), undefined);
  assert.equal(await mine.open(), []);
  await mine.begin(runAt("b"));
  assert.is(await mine.get("a"), undefined);
});

check("begin() keeps the run, and everyone reads it as it was given", async (mine, theirs) => {
  const run = runAt("a", {
    message_parts: 2,
    window_after: -5,
    cursor: 2 ** 52 - 1,
    pending: [-1_002_345_678_901, 0.5, 7],
    sent: 0,
    is_urgent: true,
    expires_at: "2026-11-23T16:16:54.000Z",
  });
  assert.equal(await mine.begin(run), run);
  assert.equal(await theirs.get("a"), run);
  assert.equal(await mine.get("a"), run);
});

check("begin() gives the first one's run to whoever comes later", async (mine, theirs) => {
  const first = runAt("a", { sent: 3 });
  await mine.begin(first);
  assert.equal(await theirs.begin(runAt("a", { owner: "owner-2", sent: 0 })), first);
  assert.equal(await mine.begin(first), first, "repeated");
  assert.equal(await theirs.get("a"), first);
});

check("begin() by twenty at once makes one run", async (mine, theirs) => {
  const owners = Array.from({ length: 20 }, (_, index) => `owner-${index}`);
  const given = await Promise.all(
    owners.map((owner, index) => (index % 2 ? mine : theirs).begin(runAt("a", { owner }))),
  );
  assert.is(new Set(given.map((run) => run.owner)).size, 1);
  assert.equal(await mine.get("a"), given[0]);
});

check("claim() gives the run as it is, with the next fence", async (mine, theirs) => {
  const run = runAt("a", { sent: 3, cursor: 9 });
  await mine.begin(run);
  const claimed = { ...run, owner: "owner-2", fence: 2, lease_until: run.lease_until + 1 };
  assert.equal(await theirs.claim(run, "owner-2", run.lease_until + 1), claimed);
  assert.equal(await mine.get("a"), claimed);
  assert.equal(await theirs.claim(run, "owner-2", run.lease_until + 1), claimed, "repeated");
});

check("claim() of twenty at once lets one have it", async (mine, theirs) => {
  const run = runAt("a");
  await mine.begin(run);
  const claims = await Promise.all(
    Array.from({ length: 20 }, (_, index) => (index % 2 ? mine : theirs).claim(run, `new-${index}`, 1)),
  );
  const given = claims.filter((each) => each !== undefined);
  assert.is(given.length, 1);
  assert.equal(await mine.get("a"), given[0]);
});

check(
  "claim() fails where the run is not as it was read, is finished, or is none",
  async (mine, theirs) => {
    const run = runAt("a");
    await mine.begin(run);
    const renewed = { ...run, lease_until: run.lease_until + 1 };
    assert.is(await mine.save(renewed), true);
    assert.is(await theirs.claim(run, "owner-2", 1), undefined, "renewed");
    assert.is(
      await theirs.claim({ ...renewed, owner: "owner-0" }, "owner-2", 1),
      undefined,
      "another owner",
    );
    assert.is(await theirs.claim({ ...renewed, fence: 0 }, "owner-2", 1), undefined, "another fence");
    const finished = { ...renewed, state: "finished" as const };
    assert.is(await mine.save(finished), true);
    assert.is(await theirs.claim(finished, "owner-2", 1), undefined, "finished");
    assert.is(await theirs.claim(renewed, "owner-2", 1), undefined, "finished meanwhile");
    assert.is(await theirs.claim(runAt("b"), "owner-2", 1), undefined, "none");
    assert.is(await mine.get("b"), undefined);
    assert.equal(await mine.get("a"), finished);
  },
);

check("save() writes the run for its owner, and for nobody else", async (mine, theirs) => {
  const run = runAt("a", { cursor: 1, pending: [1, 2] });
  await mine.begin(run);
  const next = { ...run, cursor: 5, pending: [3], sent: 4 };
  assert.is(await mine.save(next), true);
  assert.is(await mine.save(next), true, "repeated");
  assert.equal(await theirs.get("a"), next);
  const claimed = await theirs.claim(next, "owner-2", next.lease_until) as RunRecord;
  assert.is(await mine.save({ ...next, cursor: 6 }), false, "the old owner");
  assert.is(await mine.save({ ...next, fence: 2, cursor: 6 }), false, "its name with the new fence");
  assert.is(
    await mine.save({ ...next, owner: "owner-2", cursor: 6 }),
    false,
    "the new name with its fence",
  );
  assert.equal(await mine.get("a"), claimed);
  assert.is(await theirs.save({ ...claimed, cursor: 7 }), true);
  assert.is(await mine.save(runAt("b")), false, "none");
  assert.is(await mine.get("b"), undefined);
});

check("save() removes what is undefined, and leaves alone what it does not speak of", async (mine) => {
  const given = { message_parts: 1, window_after: 1, cursor: 2, pending: [1], sent: 1, failed: 1 };
  await mine.begin(runAt("a", given));
  await mine.save(runAt("a", { message_parts: 1, sent: 2, failed: undefined }));
  assert.equal(await mine.get("a"), runAt("a", { message_parts: 1, sent: 2 }));
  await mine.save(runAt("a"));
  assert.equal(await mine.get("a"), runAt("a", { sent: 2 }));
});

check("save() finishes a run once and for all", async (mine, theirs) => {
  const run = runAt("a", { cursor: 1 });
  await mine.begin(run);
  const finished = { ...run, state: "finished" as const, problem_parts: 1 };
  assert.is(await mine.save(finished), true);
  assert.is(await mine.save(finished), true, "repeated");
  assert.is(await mine.save({ ...run, cursor: 2 }), false, "running again");
  assert.is(await theirs.save({ ...finished, owner: "owner-2", fence: 2 }), false, "by another");
  assert.equal(await theirs.get("a"), finished);
  assert.equal(await theirs.begin(runAt("a", { owner: "owner-2" })), finished);
});

check("open() gives the runs that are not finished", async (mine, theirs) => {
  for (const id of ["a", "b", "c"]) await mine.begin(runAt(id));
  await mine.writeText("a", "message-1", "x".repeat(3000));
  await mine.save(runAt("b", { state: "finished" }));
  assert.equal((await theirs.open()).sort(), ["a", "c"]);
  await theirs.claim(runAt("c"), "owner-2", 1);
  assert.equal((await mine.open()).sort(), ["a", "c"]);
});

check("what is given is a copy", async (mine) => {
  const pending = [1];
  const run = runAt("a", { pending });
  const given = await mine.begin(run);
  (given.pending as number[]).push(2);
  pending.push(3);
  assert.equal((await mine.get("a"))?.pending, [1]);
  ((await mine.get("a"))?.pending as number[]).push(4);
  assert.equal((await mine.get("a"))?.pending, [1]);
});

for (const id of ["message#0", "run", "x".repeat(128), "ä €😀", "€".repeat(128), " "]) {
  check(`a broadcast may be called ${JSON.stringify(id.slice(0, 12))}`, async (mine, theirs) => {
    const text = JSON.stringify({ text: "😀€".repeat(600) });
    const parts = await mine.writeText(id, "message-1", text);
    await mine.begin(runAt(id));
    assert.is(await theirs.readText(id, "message-1", parts), text);
    assert.equal(await theirs.open(), [id]);
    assert.is((await theirs.get(id))?.broadcast_id, id);
  });
}

check("texts come back as they were, whatever their length", async (mine, theirs) => {
  const texts = [
    "😀".repeat(4096),
    "a",
    "é".repeat(899),
    "a".repeat(900),
    "a".repeat(901),
    '"\\\n\u0000'.repeat(1000),
  ];
  for (const text of texts) {
    const parts = await mine.writeText("a", "message-1", text);
    assert.is(await theirs.readText("a", "message-1", parts), text);
  }
  assert.is(await mine.writeText("a", "problems-1", "[]"), 1);
  assert.is(await theirs.readText("a", "problems-1", 1), "[]");
});

check("a text of which a part is missing is an error that names it", async (mine) => {
  assert.is(await mine.writeText("a", "message-1", "a".repeat(1000)), 2);
  const error = await failureOf(mine.readText("a", "message-1", 3));
  assert.is((error as StorageError).reason, "failed");
  assert.match(error.message, /"message-1#2" of the broadcast "a"/);
  assert.is(await mine.readText("a", "message-1", 0), "");
});

/** Registers the contract as a suite of its own. `make` gives two instances of one empty ledger. */
export function ledgerContract(
  name: string,
  make: () => Promise<readonly [Ledger, Ledger]>,
  close: () => Promise<void>,
): void {
  const test = suite(`${name}: the contract of ledgers`, {}, 30_000);
  for (const [title, body] of checks) {
    test(title, async () => {
      const ledgers = await make();
      try {
        await body(...ledgers);
      } finally {
        for (const ledger of ledgers) ledger.close();
        await close();
      }
    });
  }
  test.run();
}
