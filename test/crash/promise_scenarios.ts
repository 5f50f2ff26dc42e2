/** What else is promised of a signal: runs that stay open, orders, direct messages of channels, deadlines. */
import { assert } from "../harness.ts";
import { until } from "../support/bot.ts";
import { timesIn, withSignalCheck } from "./signal_check.ts";
import type { Scenario } from "./stranger_scenarios.ts";

const descriptions = {
  "in known words": "Bad Request: message is too long",
  "in unknown words": "Bad Request: THE_MESSAGE_SMELLS",
};

/** Every chat refuses the message: the run stays open, and the next call with its id finishes it. */
const refused = (description: string): Scenario => async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { bot, another } = check.fixture;
    for (const person of check.people) person.refuse({ error_code: 400, description });
    const sent = check.send({ broadcastId: "refused" });
    const first = await sent.run;
    assert.match(first.stopped ?? "", "It can be called for again under its broadcastId");
    assert.is(first.sent, 0);
    const asked = check.callsOf(sent).length;
    assert.ok(asked <= 20, `${asked} people were asked`);
    for (const person of check.people) person.accept();
    const again = await check.repeated(sent, another(), { broadcastId: "refused" }).run;
    const had = check.people.filter((person) => timesIn(person, sent.mark) === 1).length;
    assert.is(had, again.sent);
    assert.is(again.sent + again.failed, size.people);
    assert.is(had, size.people, `${size.people - had} who were asked first do not have it`);
    assert.is(
      (await bot.sendSignal(
        { direction: "long", symbol: "X", entry: 2, stop: 1, target: 3 },
        { broadcastId: "refused" },
      )).sent,
      again.sent,
    );
    return `${asked} people asked in vain; the next call reaches ${again.sent} of ${size.people}`;
  }, { hasLedger: true, bot: { messagesPerSecond: 200 } });
};

/** Calls that leave one after another may arrive in another order: few go back, even on a busy machine. */
function assertOrder(order: readonly number[], expected: readonly number[]): void {
  assert.is(order.length, expected.length);
  const places = order.map((id) => expected.indexOf(id));
  const back = places.filter((place, index) => place < (places[index - 1] ?? 0)).length;
  assert.ok(back <= order.length / 4, `${back} of ${order.length} are written to after one who comes later`);
}

/** The order of recipients: another first one each time, ascending ids, or by the caller's function. */
const orders: Scenario = async (size) => {
  await withSignalCheck(size, async (check) => {
    const { server, settled } = check.fixture;
    const owner = server.user();
    const [group] = server.groupsOf(owner, 1);
    await settled();
    const ids = check.people.map(({ chatId }) => chatId);
    const orderOf = async (order: Parameters<typeof check.send>[0]): Promise<number[]> => {
      // A chat that has just had a message waits for its own rate limit, and others come before it.
      check.clock.setFactor(30);
      await check.clock.sleep(5000);
      check.clock.setFactor(size.factor);
      const sent = check.send(order);
      await sent.run;
      return check.callsOf(sent).map(({ payload }) => Number(payload["chat_id"]));
    };
    const groupId = group?.chatId ?? 0;
    const ascending = await orderOf({ order: "ascending" });
    assertOrder(ascending, [...ids, groupId]);
    const paying = new Set(ids.slice(-5));
    const value = ({ chat_id }: { readonly chat_id: number }): number => paying.has(chat_id) ? 0 : 1;
    const chosen = await orderOf({ order: value });
    const first = chosen.slice(0, Math.floor(ids.length / 2));
    assert.is(first.filter((id) => paying.has(id)).length, paying.size, "who pays is first");
    assert.ok(chosen.slice(-Math.floor(ids.length / 2)).includes(groupId), "among equals people come first");
    assert.is(chosen.length, ids.length + 1);
    const starts = new Set<number>();
    for (const broadcastId of ["one", "two", "three", "four"]) {
      const rotating = await orderOf({ broadcastId });
      const last = ids.indexOf(rotating.filter((id) => id !== groupId).at(-1) ?? 0);
      const start = (last + 1) % ids.length;
      assertOrder(rotating, [...ids.slice(start), ...ids.slice(0, start), groupId]);
      starts.add(start);
    }
    assert.ok(starts.size > 1, "it begins with the same person each time");
  }, { isInMemory: true, hasLedger: true, bot: { messagesPerSecond: 150 } });
  return "ascending, by a function, and round the circle from another place each time";
};

/** A channel's direct messages cannot subscribe. */
const directMessages: Scenario = async (size) => {
  await withSignalCheck(size, async (check) => {
    const { server, settled, item } = check.fixture;
    const reader = server.user();
    const room = server.channel({ title: "News" }).openDirectMessages();
    for (const text of ["hello", "/start", "/help"]) room.say(reader, text);
    await settled();
    assert.is(await item(room), undefined, "it is registered");
    const sent = check.send();
    await check.arrived(sent);
    check.assertOnce(sent);
    await sent.run;
    assert.is(room.attempts, 0);
  }, { bot: { messagesPerSecond: 300 } });
  return "nothing is registered, and nothing sent there";
};

/** The progress says at the start how many chats will not be reached in time, and that is right. */
const deadline: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { logs } = check.fixture;
    const seconds = Math.floor(size.people / 30 / 2);
    const expected = size.people - seconds * 30;
    const forecasts: number[] = [];
    const sent = check.send({
      maxAgeMs: seconds * 1000,
      onProgress: ({ willExpire }) => void forecasts.push(willExpire),
    });
    await until(() => forecasts.length > 0, "no progress is told");
    const report = await sent.run;
    const first = forecasts[0] ?? 0;
    assert.ok(Math.abs(first - expected) <= expected / 4, `${first} of ${expected}`);
    assert.is(forecasts.at(-1), 0, "nobody is left at the end");
    assert.equal([report.failed, report.sent + report.skips.expired], [0, size.people]);
    assert.ok(report.skips.expired > 0);
    const lines = logs.of("warn", "until the message expires");
    assert.is(lines.length, 1, logs.text);
    assert.match(
      lines[0] ?? "",
      /^At 30 messages a second \d+ of \d+ chats cannot be reached within the [\d.]+ s/,
    );
    return `told at the start that ${first} of ${size.people} will not have it in time; ${report.skips.expired} expired`;
  });
};

export const promiseScenarios: Readonly<Record<string, Scenario>> = {
  ...Object.fromEntries(
    Object.entries(descriptions).map((
      [name, description],
    ) => [`everybody refuses the message ${name}`, refused(description)]),
  ),
  "orders": orders,
  "a channel's direct messages": directMessages,
  "a deadline that is too early": deadline,
};
