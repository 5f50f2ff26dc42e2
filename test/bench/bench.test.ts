/** The measurements measure what they claim to; durations are not tested. */
import { type AttributeValue, CreateTableCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import type { ChatEvent } from "../../lib/chats/events.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { assert, suite } from "../harness.ts";
import { clientAt, type RawItem, sharedTable, TableName } from "../support/storage.ts";
import { markdownTable, textTable } from "../support/table.ts";
import { OpenServer, startBotApiServers } from "./bot_api_servers.ts";
import { besideRows, type BroadcastResult, chartRows, limitRows, resultOf } from "./broadcast_rows.ts";
import { type BroadcasterName, broadcasters, type Task } from "./broadcasters.ts";
import { dollars, indexWrites, type Item, Meter, onLine, sum, tableCapacity, times } from "./capacity.ts";
import { chatIdAt, GeneratedChats, seed } from "./chats.ts";
import { countsAt, startCountingServer } from "./counting_server.ts";
import { type InboundBotName, inboundBots, keyOf } from "./inbound_bots.ts";
import { startInboundServer, type TurnResult } from "./inbound_server.ts";
import { type ReaderName, readers } from "./load.ts";
import { monthOf } from "./month.ts";
import { cells, isMet, type Row } from "./report.ts";
import { quantileOf, ratioOf, spreadOf, takeTurns } from "./sampling.ts";
import { pageOf, type Scan } from "./scan_server.ts";
import { Traffic, type WriterName, writers } from "./writers.ts";

const test = suite("bench");
const { freshTable, closeTable } = sharedTable({ isOverHttp: true });

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
  await using inbound = await startInboundServer(0);
  const histories = [];
  for (const [endpoint, tableName] of [[table.db.endpoint, TableName], [inbound.endpoint, "chats-any"]]) {
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

test("every inbound bot keeps every message; a bot that awaits its writes asks once for each", async () => {
  await using inbound = await startInboundServer(1);
  const requests: Partial<Record<InboundBotName, number>> = {};
  for (const name of Object.keys(inboundBots) as InboundBotName[]) {
    const stop = await inboundBots[name](inbound.endpoint);
    const turn = { name: keyOf(name), pattern: "ten of each chat", messages: 120 };
    const answer = await fetch(`${inbound.endpoint}/turn`, { method: "POST", body: JSON.stringify(turn) });
    assert.is(answer.status, 200, name);
    const taken = await answer.json() as TurnResult;
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
  await using inbound = await startInboundServer(0);
  const ask = (path: string, body: unknown, target = ""): Promise<Response> => {
    const headers = { "x-amz-target": `DynamoDB_20120810.${target}` };
    return fetch(`${inbound.endpoint}${path}`, { method: "POST", body: JSON.stringify(body), headers });
  };
  const turn = ask("/turn", { name: "faulty", pattern: "another chat each", messages: 2 });
  const { result } = await (await ask("/bot1:faulty/getUpdates", { timeout: 30 })).json();
  // Both are counted as messages of the first chat.
  for (let each = 0; each < 2; each++) {
    await ask("/", {
      TableName: "chats-faulty",
      Key: { chat_id: { N: String(result[0].message.chat.id) } },
      UpdateExpression: "ADD message_count :one",
      ExpressionAttributeValues: { ":one": { N: "1" } },
    }, "UpdateItem");
  }
  await (await ask("/bot1:faulty/getUpdates", { offset: result[1].update_id + 1 })).text();
  assert.match(await (await turn).text(), /^faulty has counted 3 messages of 10000000, not 2$/);
});

test("every broadcaster reaches every chat once, and ours uploads once; a limit is felt and counted", async () => {
  await using servers = await startBotApiServers();
  const options = { chats: 6, messagesPerSecond: 1000, latencyMs: 0 };
  for (const name of Object.keys(broadcasters) as BroadcasterName[]) {
    for (const photoBytes of [0, 10]) {
      await using server = await OpenServer.at(servers, options);
      const task: Task = { ...server.address, chats: 6, messagesPerSecond: 1000, photoBytes };
      const before = Date.now();
      let startedAt = 0;
      await broadcasters[name](task, () => {
        startedAt = Date.now();
      });
      const { lastAt, ...arrivals } = await server.arrivals();
      const uploads = photoBytes === 0 ? 0 : name === "ours" ? 1 : 6;
      assert.equal(arrivals, { reached: 6, delivered: 6, refused: 0, uploads }, name);
      assert.ok(before <= startedAt && startedAt <= lastAt, name);
    }
  }
  await using strict = await OpenServer.at(servers, { ...options, messagesPerSecond: 2 });
  const task: Task = { ...strict.address, chats: 6, messagesPerSecond: 1000, photoBytes: 0 };
  await broadcasters["five senders"](task, () => {});
  const { reached, delivered, refused } = await strict.arrivals();
  assert.equal([reached, delivered, refused], [2, 2, 4]);
});

test("a chat's question is answered, and its time told", async () => {
  await using servers = await startBotApiServers();
  await using server = await OpenServer.at(servers, { chats: 2, messagesPerSecond: 1000, latencyMs: 0 });
  const { apiRoot, token } = server.address;
  const asked = server.ask(1, "/status", "This chat");
  const call = async (method: string, body: object): Promise<{ result: { message: { text: string } }[] }> => {
    const headers = { "content-type": "application/json" };
    const url = `${apiRoot}/bot${token}/${method}`;
    return (await fetch(url, { method: "POST", body: JSON.stringify(body), headers })).json();
  };
  const { result } = await call("getUpdates", { timeout: 20 });
  assert.equal(result.map(({ message }) => message.text), ["/status"]);
  for (const text of ["The market is closed.", "This chat is subscribed."]) {
    await call("sendMessage", { chat_id: chatIdAt(1, 2), text });
  }
  assert.ok(await asked > 0);
});

test("the counting server counts messages, and calls at the same time", async () => {
  await using server = await startCountingServer(1000);
  const call = (method: string): Promise<Response> =>
    fetch(`${server.endpoint}/bot1:x/${method}`, { method: "POST", body: "{}" });
  const answers = await Promise.all([call("sendMessage"), call("getMe"), call("sendMessage")]);
  for (const answer of answers) assert.is((await answer.json()).ok, true);
  const first = await countsAt(server.endpoint);
  assert.equal([first.messages, first.atOnce], [2, 3]);
  await (await call("sendMessage")).text();
  const second = await countsAt(server.endpoint);
  assert.equal([second.messages, second.atOnce], [1, 1]);
});

test("many chats are all active, and there are as many as wanted", async () => {
  for (const chats of [3, 5300, 12_000]) {
    const active = await new GeneratedChats(chats).loadActiveChats();
    assert.is(active.size, chats);
    assert.ok(active.has(chatIdAt(chats - 1, chats)));
    assert.is((await new GeneratedChats(chats).getStatistics()).activeChats, chats);
  }
});

const result = (change: Partial<BroadcastResult>): BroadcastResult => ({
  ...resultOf(
    { name: "ours", chats: 3000, limit: 30 },
    { reached: 3000, delivered: 3000, refused: 3, uploads: 0, lastAt: 101_000 },
    1000,
  ),
  ...change,
});

test("resultOf() counts from the start to the last arrival, and by the limit", () => {
  const { seconds, limitSeconds, refusedPercent, lost } = result({});
  assert.equal([seconds, limitSeconds, lost], [100, 100, 0]);
  assert.ok(Math.abs(refusedPercent - 0.0999) < 0.0001);
  const arrivals = { reached: 2, delivered: 2, refused: 2, uploads: 0, lastAt: 5 };
  assert.is(resultOf({ name: "five senders", chats: 3, limit: 30 }, arrivals, 0).lost, 1);
});

test("limitRows() requires the limit's time, few refusals, and every chat", () => {
  const bounds = { times: 1.05, refusedPercent: 0.1 };
  const met = (change: Partial<BroadcastResult>): unknown[] => limitRows(result(change), bounds).map(isMet);
  assert.equal(met({}), [true, true, true]);
  assert.equal(met({ seconds: 105.1 }), [false, true, true]);
  assert.equal(met({ refusedPercent: 0.11 }), [true, false, true]);
  assert.equal(met({ lost: 1 }), [true, true, false]);
  const [row] = limitRows(result({ messagesPerSecond: 60 }), bounds);
  assert.is(row?.measure, "broadcast to 3,000 chats at 30/s where 60/s is set: to the last chat");
});

test("besideRows() compares by the chat, says who had fewer, and who has lost any", () => {
  const slow = result({ name: "five senders", chats: 1000, seconds: 200, refusedPercent: 5, lost: 50 });
  const rows = besideRows(result({}), slow);
  assert.equal(rows.map(({ other }) => other?.name), Array(3).fill("five senders, 1,000 chats"));
  assert.ok(Math.abs((rows[0]?.ratio?.median ?? NaN) - (100 / 3000) / (200 / 1000)) < 1e-9);
  assert.equal(rows.map(({ other }) => other?.value), [200, 5, 50]);
  assert.is(besideRows(result({}), result({ name: "grammY + auto-retry" })).length, 2);
});

test("chartRows() requires one upload and the time of a text", () => {
  const rows = (change: Partial<BroadcastResult>): unknown[] =>
    chartRows(result({ photoBytes: 150_000, uploads: 1, ...change }), result({}), result({})).map(isMet);
  assert.equal(rows({}), [true, undefined, true]);
  assert.equal(rows({ seconds: 106 }), [false, undefined, true]);
  assert.equal(rows({ uploads: 2 }), [true, undefined, false]);
});

test("capacity is charged as DynamoDB does, where the emulator counts less", () => {
  assert.equal(tableCapacity("UpdateItem", false, 1), { writes: 1, reads: 0 });
  assert.equal(tableCapacity("GetItem", true, 1), { writes: 0, reads: 1 });
  assert.equal(tableCapacity("Scan", true, 22), { writes: 0, reads: 44 });
  assert.equal(tableCapacity("Scan", false, 22), { writes: 0, reads: 22 });
  assert.equal(tableCapacity("Query", false, 0), { writes: 0, reads: 0.5 });
  assert.equal(tableCapacity("Query", true, 0), { writes: 0, reads: 1 });
  const month = sum(times(3000, { writes: 10, reads: 40 }), { writes: 2_000_000, reads: 880_000 });
  assert.equal(month, { writes: 2_030_000, reads: 1_000_000 });
  assert.ok(Math.abs(dollars(month) - (2.03 * 0.625 + 0.125)) < 1e-9);
  const grown = onLine([10, { writes: 3, reads: 1 }], [20, { writes: 5, reads: 1 }], 40);
  assert.equal(grown, { writes: 9, reads: 1 });
});

test("an index is written where its entry comes, goes or changes", () => {
  const index = { keys: ["id", "open"] };
  const item = (open?: string, more = "1"): Item => ({
    id: { S: "a" },
    more: { S: more },
    ...open !== undefined && { open: { S: open } },
  });
  assert.is(indexWrites(index, undefined, item("open")), 1);
  assert.is(indexWrites(index, undefined, item()), 0);
  assert.is(indexWrites(index, item("open"), item("open", "2")), 0);
  assert.is(indexWrites(index, item("open"), item("other")), 2);
  assert.is(indexWrites(index, item("open"), item()), 1);
});

test("the meter counts what goes through its client, indexes and refusals too, and nothing else", async () => {
  const { db } = await freshTable();
  const [client, aside] = [clientAt(db.endpoint), clientAt(db.endpoint)];
  const meter = new Meter(aside);
  meter.putOn(client);
  const attribute = (AttributeName: string) => ({ AttributeName, AttributeType: "S" as const });
  await client.send(
    new CreateTableCommand({
      TableName: "runs",
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [attribute("id"), attribute("open")],
      KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
      GlobalSecondaryIndexes: [{
        IndexName: "open",
        KeySchema: [{ AttributeName: "open", KeyType: "HASH" }],
        Projection: { ProjectionType: "KEYS_ONLY" },
      }],
    }),
  );
  const update = (UpdateExpression: string, values?: Item, condition?: string): Promise<unknown> =>
    client.send(
      new UpdateItemCommand({
        TableName: "runs",
        Key: { id: { S: "a" } },
        UpdateExpression,
        ExpressionAttributeValues: values as Record<string, AttributeValue>,
        ExpressionAttributeNames: { "#open": "open" },
        ConditionExpression: condition,
      }),
    );
  let isReady = false;
  while (!isReady) {
    isReady = await update("SET #open = :o", { ":o": { S: "open" } }).then(() => true, () => false);
  }
  assert.equal(meter.take(), { writes: 2, reads: 0 });
  assert.equal(meter.take(), { writes: 0, reads: 0 });
  await update("SET #open = :o, n = :o", { ":o": { S: "open" } });
  assert.equal(meter.take(), { writes: 1, reads: 0 });
  await update("REMOVE #open", undefined, "attribute_not_exists(#open)").catch(() => {});
  assert.equal(meter.take(), { writes: 1, reads: 0 });
  await update("REMOVE #open");
  assert.equal(meter.take(), { writes: 2, reads: 0 });
  client.destroy();
  aside.destroy();
});

test("a month is a day's events as often as they come, a write for a message that comes in", async () => {
  const { kinds, original } = await monthOf({ users: 20, signals: 3, messages: 2 });
  assert.equal(kinds.map(({ perMonth }) => perMonth), [90, 1200, 30]);
  // On a slow machine requests of the signal may still be counted here, shared out among fifty messages.
  const { writes = 0, reads = 0 } = kinds[1]?.each ?? {};
  assert.equal([Math.round(writes), Math.round(reads)], [1, 0], `${writes} writes, ${reads} reads`);
  assert.ok((kinds[0]?.each.reads ?? 0) >= 1);
  assert.equal([original.perMonth, original.each], [1800, { writes: 1, reads: 0 }]);
});

test("quantileOf() gives the value that a share does not exceed", () => {
  assert.is(quantileOf([4, 1, 3, 2, 5], 0.5), 3);
  assert.is(quantileOf([4, 1, 3, 2, 5], 1), 5);
  assert.ok(Math.abs(quantileOf([1, 2, 3], 0.95) - 2.9) < 1e-9);
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
