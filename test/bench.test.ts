/** The measurements do what they claim; how long it takes is no test's business. */
import type { ChatEvent } from "../lib/chat.ts";
import { TelegramDynamoDBStorage } from "../lib/storage/dynamodb.ts";
import { chatIdAt } from "./bench/chat_ids.ts";
import { type ContestantName, contestants, laneNameOf } from "./bench/contestants.ts";
import { startStandIn, type Taken } from "./bench/inbound_stand_in.ts";
import { type ReaderName, readers } from "./bench/readers.ts";
import { cells, isMet, type Row } from "./bench/row.ts";
import { ratioOf, spreadOf, takeTurns } from "./bench/sample.ts";
import { pageOf, type Scan } from "./bench/scan_pages.ts";
import { seed } from "./bench/seed.ts";
import { markdownTable, textTable } from "./bench/table.ts";
import { Traffic } from "./bench/traffic.ts";
import { type WriterName, writers } from "./bench/writers.ts";
import { assert, suite } from "./harness.ts";
import { clientAt, type RawItem, sharedTable, TableName } from "./support/storage.ts";

const test = suite("bench");
const { freshTable, closeTable } = sharedTable();

test("every writer leaves the same items; ours and the bare loop ask once, get-then-put twice", async () => {
  const left: (RawItem | undefined)[][] = [];
  const requests: [WriterName, number, number][] = [];
  for (const name of Object.keys(writers) as WriterName[]) {
    const table = await freshTable();
    const writer = writers[name](table.gate.endpoint, TableName);
    const traffic = new Traffic();
    const chats = [traffic.fresh(), traffic.fresh(), traffic.fresh()];
    for (const message of chats) await writer.register(message);
    const registrations = table.gate.requests;
    for (let each = 0; each < 5; each++) await writer.hear(traffic.known());
    requests.push([name, registrations, table.gate.requests - registrations]);
    left.push(await Promise.all(chats.map(({ chatId }) => table.item(chatId))));
    writer.close();
  }
  assert.equal(requests, [["ours", 3, 5], ["bare SDK loop", 3, 5], ["get, then put", 6, 10]]);
  assert.equal(left[0]?.map((item) => item?.["message_count"]?.N), ["3", "3", "2"]);
  assert.equal(left[1], left[0]);
  assert.equal(left[2], left[0]);
});

test("every reader loads the same chats", async () => {
  const { db } = await freshTable();
  await seed(db.endpoint, TableName, 60);
  for (const name of Object.keys(readers) as ReaderName[]) {
    const reader = readers[name](db.endpoint, TableName);
    const chats = [...await reader.load()].sort((a, b) => a - b);
    assert.equal(chats, Array.from({ length: 60 }, (_, index) => chatIdAt(index, 60)), name);
    reader.close();
  }
});

test("pageOf() gives every chat once, whatever the segments", () => {
  for (const [chats, TotalSegments] of [[20_000, 4], [5300, 1], [10, 3]] as const) {
    const ids: number[] = [];
    for (let Segment = 0; Segment < TotalSegments; Segment++) {
      let ExclusiveStartKey: Scan["ExclusiveStartKey"];
      do {
        const page = pageOf({ TableName: `chats-${chats}`, Segment, TotalSegments, ExclusiveStartKey });
        assert.is(page.Count, page.Items.length);
        ids.push(...page.Items.map(({ chat_id }) => Number(chat_id.N)));
        ExclusiveStartKey = page.LastEvaluatedKey;
      } while (ExclusiveStartKey !== undefined);
    }
    assert.equal(ids, Array.from({ length: chats }, (_, index) => chatIdAt(index, chats)));
  }
});

test("the table in memory does with our writes what the emulator does", async () => {
  const at = Date.UTC(2026, 10, 20);
  const user = { username: "ada", first_name: "Ada" };
  const events: ChatEvent[] = [
    { kind: "start", at, updateId: 10, userInfo: user },
    { kind: "message", at: at + 1000, updateId: 11, userInfo: { ...user, last_name: "Lovelace" } },
    { kind: "message", at: at + 1000, updateId: 11, userInfo: user },
    { kind: "stop", at: at + 2000, updateId: 12 },
    { kind: "message", at: at + 3000, updateId: 13, registers: true },
    { kind: "start", at: at + 4000, updateId: 14 },
    { kind: "removed", at: at + 5000, updateId: 15, reason: "blocked" },
    { kind: "message", at: at + 6000, updateId: 16, registers: true },
  ];
  const table = await freshTable();
  await using standIn = await startStandIn(0);
  const histories = [];
  for (const [endpoint, tableName] of [[table.db.endpoint, TableName], [standIn.endpoint, "chats-any"]]) {
    const client = clientAt(endpoint as string);
    const storage = new TelegramDynamoDBStorage({ client, tableName });
    const history = [];
    for (const event of events) {
      await storage.apply(7, [event], history.length === 0 ? "absent" : "active");
      history.push(await storage.getChat(7));
    }
    histories.push(history);
    client.destroy();
  }
  assert.equal(histories[1], histories[0]);
  assert.equal(histories[0]?.map((chat) => chat?.message_count), [1, 2, 2, 3, 4, 5, 5, 6]);
});

test("every contestant keeps every message; a bot that awaits its writes asks once for each", async () => {
  await using standIn = await startStandIn(1);
  const requests: Partial<Record<ContestantName, number>> = {};
  for (const name of Object.keys(contestants) as ContestantName[]) {
    const stop = await contestants[name](standIn.endpoint);
    const turn = { name: laneNameOf(name), pattern: "ten of each chat", messages: 120 };
    const answer = await fetch(`${standIn.endpoint}/turn`, { method: "POST", body: JSON.stringify(turn) });
    assert.is(answer.status, 200, name);
    const taken = await answer.json() as Taken;
    assert.ok(taken.seconds > 0);
    requests[name] = taken.requests;
    await stop();
  }
  const { ours = NaN, ...others } = requests;
  assert.equal(others, {
    "plain grammY": 120,
    "grammY runner": 120,
    "grammY runner, our client": 120,
  });
  assert.ok(ours <= 120, String(ours));
});

test("a turn fails where a message is not kept", async () => {
  await using standIn = await startStandIn(0);
  const ask = (path: string, body: unknown, target = ""): Promise<Response> => {
    const headers = { "x-amz-target": `DynamoDB_20120810.${target}` };
    return fetch(`${standIn.endpoint}${path}`, { method: "POST", body: JSON.stringify(body), headers });
  };
  const turn = ask("/turn", { name: "careless", pattern: "another chat each", messages: 2 });
  const { result } = await (await ask("/bot1:careless/getUpdates", { timeout: 30 })).json();
  // Both are counted as messages of the first chat.
  for (let each = 0; each < 2; each++) {
    await ask("/", {
      TableName: "chats-careless",
      Key: { chat_id: { N: String(result[0].message.chat.id) } },
      UpdateExpression: "ADD message_count :one",
      ExpressionAttributeValues: { ":one": { N: "1" } },
    }, "UpdateItem");
  }
  await (await ask("/bot1:careless/getUpdates", { offset: result[1].update_id + 1 })).text();
  assert.match(await (await turn).text(), /^careless has counted 3 messages of 10000000, not 2$/);
});

test("isMet() says no where a figure is missing, and nothing where nothing is claimed", () => {
  const row: Row = { measure: "requests", unit: "", ours: 1 };
  const ratio = { low: 0.8, median: 0.9, high: 1 };
  assert.is(isMet(row), undefined);
  assert.is(isMet({ ...row, target: { of: "ours", is: "exactly", value: 1 } }), true);
  assert.is(isMet({ ...row, ours: 1.01, target: { of: "ours", is: "exactly", value: 1 } }), false);
  assert.is(isMet({ ...row, ratio, target: { of: "ratio", is: "at least", value: 0.9 } }), true);
  assert.is(isMet({ ...row, ratio, target: { of: "ratio", is: "at most", value: 0.89 } }), false);
  assert.is(isMet({ ...row, target: { of: "ratio", is: "at least", value: 0.9 } }), false);
  assert.is(isMet({ ...row, ours: NaN, target: { of: "ours", is: "at most", value: 40 } }), false);
});

test("spreadOf() and ratioOf() give quartiles, a ratio's of each round by itself", () => {
  assert.equal(spreadOf([5, 1, 4, 2, 3]), { low: 2, median: 3, high: 4 });
  assert.equal(ratioOf([10, 1, 50], [5, 2, 10]), { low: 1.25, median: 2, high: 3.5 });
  assert.ok(Number.isNaN(spreadOf([]).median));
});

test("takeTurns() interleaves, changes who follows whom, and leaves out the first round", async () => {
  const order: string[] = [];
  const turn = (name: string) => (): Promise<number> => Promise.resolve(order.push(name));
  const taken = await takeTurns(2, { a: turn("a"), b: turn("b"), c: turn("c") });
  assert.is(order.join(""), "abccbabca");
  assert.equal(taken, { a: [6, 9], b: [5, 7], c: [4, 8] });
});

test("tables show a row with its target and whether it was met", () => {
  const row: Row = {
    measure: "registrations",
    unit: "/s",
    ours: 1234.5,
    other: { name: "bare SDK loop", value: 2000 },
    ratio: { low: 0.6, median: 0.617, high: 0.7 },
    target: { of: "ratio", is: "at least", value: 0.85 },
  };
  assert.equal(cells(row), [
    "registrations",
    "1,235/s",
    "bare SDK loop: 2,000/s",
    "0.62 (0.60–0.70)",
    "≥ 0.85 times",
    "MISSED",
  ]);
  assert.is(textTable([["a", "b"], ["cc", "d"]]), "a   b\ncc  d");
  assert.is(markdownTable([["a", "b"], ["cc", "d"]]), "| a   | b   |\n| --- | --- |\n| cc  | d   |");
});

test.after(closeTable);

test.run();
