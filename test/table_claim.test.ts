/** Whose table it is: the bot that has claimed it, and no other. */
import { ConfigError } from "../lib/options.ts";
import { StorageError } from "../lib/storage/storage_error.ts";
import { assert, suite } from "./harness.ts";
import { failureOf, sharedTable, type TableFixture, TableName } from "./support/storage.ts";
import { chat_id, requestsOf, storageAtNoon } from "./support/table_record.ts";

const { freshTable, expectNoTrespass, closeTable } = sharedTable();

/** A table, and a storage on it whose clock stands at noon. */
async function atNoon(): Promise<{ readonly table: TableFixture } & ReturnType<typeof storageAtNoon>> {
  const table = await freshTable();
  return { table, ...storageAtNoon(table) };
}

const [ours, theirs] = [111, 222];

const claiming = suite("claim()");

claiming("a table is claimed once, for one read and one write, and then for one read", async () => {
  const { table, storage } = await atNoon();
  await storage.claim(ours);
  assert.equal(requestsOf(table), [1, 1]);
  assert.equal(await table.item(0), { chat_id, bot_id: { N: "111" } });
  table.gate.resetCounts();
  await storage.claim(ours);
  await table.storage().claim(ours);
  assert.equal(requestsOf(table), [2, 0]);
});

claiming("another bot is told whose the table is, and what to do, and nothing is written", async () => {
  const { table, storage } = await atNoon();
  await storage.claim(ours);
  table.gate.resetCounts();
  const error = await failureOf(table.storage().claim(theirs));
  assert.instance(error, ConfigError);
  assert.not.instance(error, StorageError, "a bot would go on in memory");
  assert.match(error.message, `The table "${TableName}" serves the bot 111, and this is the bot 222.`);
  for (
    const words of ["One table serves one bot", "deactivate all people", "TELEGRAM_CHATS_TABLE", "tableName"]
  ) {
    assert.match(error.message, words);
  }
  assert.match(error.message, "delete the item whose chat_id is 0");
  assert.equal(requestsOf(table), [1, 0]);
});

claiming("of two bots that claim at once one has the table; of one bot's processes, all", async () => {
  for (let round = 0; round < 20; round++) {
    const { table } = await atNoon();
    const claims = [ours, theirs, ours, theirs].map((id) => table.storage().claim(id));
    const ended = await Promise.allSettled(claims);
    const winner = Number((await table.item(0))?.["bot_id"]?.N);
    for (const [index, id] of [ours, theirs, ours, theirs].entries()) {
      assert.is(ended[index]?.status, id === winner ? "fulfilled" : "rejected");
    }
  }
});

claiming("answers that are lost make nobody a stranger in its own table", async () => {
  const { table, storage } = await atNoon();
  table.gate.loseAnswers({ action: "UpdateItem", times: 2 });
  await storage.claim(ours);
  assert.equal((await table.item(0))?.["bot_id"], { N: "111" });
});

claiming("what is no bot's id is none: it is replaced in the table, and refused from a caller", async () => {
  const { table, storage } = await atNoon();
  await table.put({ chat_id, bot_id: { S: "111" }, note: { S: "somebody's" } });
  await storage.claim(ours);
  assert.equal(await table.item(0), { chat_id, bot_id: { N: "111" }, note: { S: "somebody's" } });
  for (const id of [0, -1, 1.5, NaN]) assert.instance(await failureOf(storage.claim(id)), TypeError);
});

claiming("where nobody answers, a claim ends with its signal", async () => {
  const { table, storage } = await atNoon();
  table.gate.hang({ action: "GetItem" });
  const stop = new AbortController();
  const failure = failureOf(storage.claim(ours, { signal: stop.signal }));
  stop.abort(new Error("stopped by the test"));
  assert.match((await failure).message, "stopped by the test");
});

claiming.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
claiming.run();
