/** DynamoDB fails when a signal is due, or since the start. */
import { StorageError } from "../../mod.ts";
import { assert } from "../harness.ts";
import { until } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";
import { type DynamoDBFault, faults } from "./outages.ts";
import { numbersLine, timesIn, withSignalCheck } from "./signal_check.ts";
import type { Scenario } from "./stranger_scenarios.ts";

const outages: Readonly<Record<string, DynamoDBFault>> = {
  "is down": faults.down,
  "refuses access": faults.denied,
  "never answers": faults.hanging,
  "can be written, but not read": (gate) =>
    ["GetItem", "Scan", "Query"].forEach((action) => gate.deny(action)),
};

/** The table cannot be read when the signal is due: all chats known to be active have it at once. */
const unreadable = (fault: DynamoDBFault): Scenario => async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { gate, logs, settled, item } = check.fixture;
    const [early, late] = check.people;
    early?.say("/stop");
    await early?.received("You are unsubscribed");
    await settled();
    fault(gate);
    late?.say("/stop");
    await late?.received("You are unsubscribed", 60_000);
    const others = check.people.slice(2);
    const sent = check.send();
    await check.arrived(sent, others);
    const numbers = check.numbersOf(sent);
    assert.ok(numbers.firstMs <= size.bounds.firstMs, `the first has it after ${numbers.firstMs} ms`);
    const report = await sent.run;
    check.assertOnce(sent, others);
    for (const person of [early, late]) assert.is(person && timesIn(person, sent.mark), 0);
    assert.equal([report.sent, report.failed], [others.length, 0]);
    assert.is(report.recipientsFrom, "memory");
    assert.match(report.recipientsAsOf ?? "", /^\d{4}-\d\d-\d\dT/);
    assert.is(logs.of("warn", "The table of chats cannot be read").length, 1, logs.text);
    gate.clear();
    check.clock.setFactor(20);
    const isStopped = async (): Promise<boolean> => (await item(late!))?.["removed_reason"]?.S === "stopped";
    await until(isStopped, "the /stop is not kept after the outage");
    return numbersLine(others.length, numbers);
  });
};

/** DynamoDB cannot be reached at the start, no chat is known: the signal waits until it expires, and is an error. */
const unreachableForever: Scenario = async (size) => {
  await withSignalCheck(size, async (check) => {
    const { bot, gate, server } = check.fixture;
    gate.refuse();
    await bot.startBot();
    const sent = check.send({ maxAgeMs: 20_000 });
    const error = await failureOf(sent.run);
    assert.instance(error, StorageError);
    assert.match(error.message, "has never been read");
    assert.ok(check.clock.now() - sent.startedAt >= 19_500, "it has not waited");
    assert.is(server.countCalls("sendMessage"), 0);
  }, { state: "made" });
  return "the signal waits for 20 s and is an error then";
};

/** The same, but some have said /start: they have it at once, and once DynamoDB is back in time all have it. */
const unreachableForAWhile = (broadcastId?: string): Scenario => async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { bot, gate, server } = check.fixture;
    gate.refuse();
    await bot.startBot();
    const joiners = [server.user(), server.user()];
    for (const joiner of joiners) joiner.say("/start");
    await Promise.all(joiners.map((joiner) => joiner.received("You are subscribed", 60_000)));
    const sent = check.send({ maxAgeMs: 600_000, broadcastId });
    await check.arrived(sent, joiners);
    const atOnceMs = check.clock.now() - sent.startedAt;
    await check.clock.sleep(3000);
    assert.is(check.callsOf(sent).length, joiners.length, "nobody else is known");
    gate.clear();
    check.clock.setFactor(Math.max(10, size.factor));
    await check.arrived(sent);
    const report = await sent.run;
    check.assertOnce(sent, [...check.people, ...joiners]);
    assert.equal([report.sent, report.failed], [size.people + joiners.length, 0]);
    assert.ok(atOnceMs <= size.bounds.firstMs, `they have it after ${atOnceMs} ms`);
    return `two who are known have it after ${
      (atOnceMs / 1000).toFixed(2)
    } s, all ${report.sent} once DynamoDB is back`;
  }, { state: "made", hasLedger: broadcastId !== undefined });
};

/** Known chats have it; it expires before DynamoDB is back. */
const unreachableTooLong: Scenario = async (size) => {
  await withSignalCheck(size, async (check) => {
    const { bot, gate, server } = check.fixture;
    gate.refuse();
    await bot.startBot();
    const joiner = server.user();
    joiner.say("/start");
    await joiner.received("You are subscribed", 60_000);
    const sent = check.send({ maxAgeMs: 15_000 });
    const report = await sent.run;
    assert.equal([report.sent, timesIn(joiner, sent.mark)], [1, 1]);
    assert.is(report.recipientsFrom, "memory");
    assert.is(report.stopped, "the list of chats has never been read");
  }, { state: "made" });
  return "the one who is known has it, and the report says that the list was never read";
};

/** What a refusal in an outage says of a chat is in the table afterwards. */
const refusalInOutage: Scenario = async (size) => {
  await withSignalCheck(size, async (check) => {
    const { gate, server, item, bot } = check.fixture;
    const [blocker, ...others] = check.people;
    const owner = server.user();
    const group = server.group({ title: "Movers", administrators: [owner] });
    group.say(owner, "/start");
    await group.received("subscribed");
    await check.fixture.settled();
    gate.refuse();
    const supergroup = server.unheard(() => {
      blocker?.block();
      return group.migrate();
    });
    const sent = check.send();
    const report = await sent.run;
    check.assertOnce(sent, [...others, supergroup as never]);
    assert.equal([report.sent, report.deactivated, report.failed], [others.length + 1, 1, 0]);
    assert.equal(report.migrations, [{ from: group.chatId, to: supergroup.chatId }]);
    gate.clear();
    check.clock.setFactor(20);
    await until(() => !bot.health.isDegraded, "the outage does not end");
    const isKept = async (): Promise<boolean> => (await item(blocker!))?.["removed_reason"]?.S === "blocked";
    await until(isKept, "the refusal is not in the table");
    const [from, to] = [await item(group), await item(supergroup)];
    assert.equal([from?.["removed_reason"], from?.["migrated_to"]], [
      { S: "migrated" },
      { N: String(supergroup.chatId) },
    ]);
    assert.equal([to?.["is_active"], to?.["migrated_from"]], [
      { BOOL: true },
      { N: String(group.chatId) },
    ]);
  });
  return "who has blocked the bot and who has moved in an outage is in the table afterwards";
};

export const outageScenarios: Readonly<Record<string, Scenario>> = {
  ...Object.fromEntries(
    Object.entries(outages).map((
      [name, fault],
    ) => [`DynamoDB ${name} when a signal is due`, unreadable(fault)]),
  ),
  "DynamoDB cannot be reached at the start, nor until the signal expires": unreachableForever,
  "DynamoDB cannot be reached at the start, for a while": unreachableForAWhile(),
  "DynamoDB cannot be reached at the start, for a while, with an id": unreachableForAWhile("late"),
  "DynamoDB cannot be reached at the start, and some have said /start": unreachableTooLong,
  "a refusal in an outage": refusalInOutage,
};
