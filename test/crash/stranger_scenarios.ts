/** Strangers act around a signal, and all subscribers have it in time all the same. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert } from "../harness.ts";
import { plantActive, until } from "../support/bot.ts";
import { randomOf } from "../support/histories.ts";
import {
  idsOf,
  numbersLine,
  type SignalCheckOptions,
  type Size,
  timesIn,
  withSignalCheck,
} from "./signal_check.ts";

/** Runs the scenario and gives its line of numbers. */
export type Scenario = (size: Size) => Promise<string>;

const unknownDescriptions = [
  "Bad Request: STRANGE_PEER_UNSUPPORTED",
  "Bad Request: the moon is not in the right house",
] as const;

/** A stranger's two chats are the first recipients, and refuse with an unknown description. */
const refusing = (kind: "accounts" | "groups", broadcastId?: string): Scenario => async (size) => {
  const chatIds: number[] = [];
  return await withSignalCheck(size, async (check) => {
    const sent = check.send({
      broadcastId,
      order: kind === "accounts" ? "ascending" : ({ chat_id }) => chatIds.includes(chat_id) ? 0 : 1,
    });
    const numbers = await check.measure(sent);
    const { sent: count, failed, stopped } = await sent.run;
    assert.equal([count, failed, stopped], [size.people, 2, undefined]);
    const [first, second] = check.callsOf(sent).map(({ payload }) => Number(payload["chat_id"]));
    assert.ok(chatIds.includes(first ?? 0), "a stranger's chat is the first");
    // Once one has refused, recipients are drawn at random.
    assert.not.ok(chatIds.includes(second ?? 0));
    const { logs } = check.fixture;
    for (const text of unknownDescriptions) assert.is(logs.of("warn", text).length, 1, logs.text);
    return numbersLine(size.people, numbers);
  }, {
    hasLedger: broadcastId !== undefined,
    async before({ server, table }) {
      const chats = unknownDescriptions.map((description, index) => {
        const chat = kind === "accounts"
          ? server.user({ id: 1000 + index, opened: true })
          : server.group({ title: "Strange", kind: "supergroup" });
        chat.refuse({ error_code: 400, description });
        return chat;
      });
      chatIds.push(...chats.map(({ chatId }) => chatId));
      await plantActive(table, ...chatIds);
    },
  });
};

/** Three groups in slow mode, twelve /help in each. */
const slowModes = (seconds: number, server?: SignalCheckOptions["server"]): Scenario => async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server, settled, logs } = check.fixture;
    const stranger = server.user();
    const groups = [1, 2, 3].map((number) =>
      server.group({ title: `Slow ${number}`, kind: "supergroup", members: [stranger] })
    );
    for (const group of groups) {
      group.slowMode(seconds);
      group.say(stranger, "/start");
    }
    await Promise.all(groups.map((group) => group.received(() => true)));
    await settled();
    for (const group of groups) for (let time = 0; time < 12; time++) group.say(stranger, "/help");
    await check.clock.sleep(300);
    const sent = check.send();
    const numbers = await check.measure(sent);
    assert.equal(logs.of("warn", "limits the rate"), []);
    assert.ok(numbers.others <= 36, `${numbers.others} messages to the groups`);
    await check.finished(sent);
    return numbersLine(size.people, numbers);
  }, { server: { groupMessagesPerMinute: 20, ...server } });
};

/** Fifty accounts send forty commands each: replies have a third of the pace. */
const commands: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server } = check.fixture;
    const strangers = Array.from({ length: 50 }, () => server.user());
    const all = (): void => strangers.forEach((stranger) => stranger.say("/help"));
    for (let time = 0; time < 40; time++) all();
    await until(() => server.pendingUpdates === 0, "the commands are not heard");
    const sent = check.send();
    const traffic = check.repeat(1000, all);
    const numbers = await check.measure(sent, 2 / 3);
    await traffic.stop();
    assert.ok(numbers.others > 0, "the strangers are answered, too");
    // The strangers are registered by what they say.
    const atMost = (size.people + strangers.length) / 2 * size.bounds.times + 10;
    assert.ok(numbers.others <= atMost, `${numbers.others} replies left meanwhile, of ${atMost}`);
    await check.finished(sent);
    return `${numbersLine(size.people, numbers)}; the pace less a third for replies`;
  }, { isInMemory: true, server: { chatMessagesPerSecond: 1 } });
};

/** A hundred strangers send /stop to a private bot, again and again: each is answered once, and costs one read. */
const privateStops: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server, settled, gate } = check.fixture;
    const strangers = Array.from({ length: 100 }, () => server.user());
    const all = (): void => strangers.forEach((stranger) => stranger.say("/stop"));
    all();
    all();
    await check.clock.sleep(300);
    const sent = check.send();
    all();
    const numbers = await check.measure(sent, 2 / 3);
    assert.ok(numbers.others <= strangers.length, `${numbers.others} messages to strangers`);
    await check.finished(sent);
    await settled();
    for (const { attempts } of strangers) assert.ok(attempts <= 1, `${attempts} answers to a stranger`);
    gate.resetCounts();
    all();
    await settled();
    assert.is(gate.count("GetItem"), 0, "what is known of a stranger is not read again");
    for (const { attempts } of strangers) assert.ok(attempts <= 1, `${attempts} answers to a stranger`);
    return `${numbersLine(size.people, numbers)}; the pace less a third for replies`;
  }, { bot: { allowedUsers: idsOf(size.people) } });
};

/** Twenty accounts whose own chats are flooded for an hour have replies refused, before a signal and beside it. */
const floodedAccounts: Scenario = async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server } = check.fixture;
    const strangers = Array.from({ length: 20 }, () => server.user());
    for (const stranger of strangers) {
      stranger.flood(3600);
      stranger.say("/help");
      await until(
        () => stranger.attempts > 0 || check.fixture.logs.of("warn", "limits the rate").length > 0,
        "no answer",
      );
    }
    const sent = check.send();
    const numbers = await check.measure(sent);
    check.clock.setFactor(300);
    return numbersLine(size.people, numbers);
  }, { isInMemory: true });
};

/** Accounts next to each other in the order, the first of all, are flooded themselves: alike, and for long. */
const floodedNeighbours =
  (count: number, seconds: number, broadcastId?: string): Scenario => async ({ bounds, ...size }) => {
    let accounts: readonly LocalUser[] = [];
    // Some of those who are drawn are among the accounts: each costs a second.
    const slackMs = bounds.slackMs + 1000 * count / 10;
    return await withSignalCheck({ ...size, bounds: { ...bounds, slackMs } }, async (check) => {
      for (const account of accounts) account.flood(seconds);
      const sent = check.send({ broadcastId, order: "ascending" });
      const numbers = await check.measure(sent);
      const [first] = check.callsOf(sent);
      assert.is(first?.payload["chat_id"], accounts[0]?.chatId, "an account of theirs is the first");
      assert.equal(check.fixture.logs.of("warn", "limits the rate"), []);
      // Ten minutes are waited for at most.
      const { sent: reached, failed } = await check.finished(sent);
      assert.equal([reached, failed], seconds > 600 ? [size.people, count] : [size.people + count, 0]);
      return numbersLine(size.people, numbers);
    }, {
      hasLedger: broadcastId !== undefined,
      async before({ server, table }) {
        accounts = Array.from(
          { length: count },
          (_, index) => server.user({ id: 1000 + index, opened: true }),
        );
        await plantActive(table, ...accounts.map(({ chatId }) => chatId));
      },
    });
  };

/** The same forty for minutes, and the bot ends meanwhile: the next one goes on with all who had to wait. */
const leavingFlooded: Scenario = async (size) => {
  let accounts: readonly LocalUser[] = [];
  return await withSignalCheck(size, async (check) => {
    const { bot, another } = check.fixture;
    const floods = accounts.map((account) => account.flood(590));
    const sent = check.send({ broadcastId: "left" });
    await check.arrived(sent);
    check.clock.setFactor(20);
    await bot.stopBot();
    const first = await sent.run;
    assert.match(first.stopped ?? "", "the bot was stopped");
    assert.equal([first.failed, first.skipped], [0, accounts.length]);
    for (const flood of floods) flood.clear();
    check.clock.setFactor(size.factor);
    const { run } = check.repeated(sent, another(), { broadcastId: "left" });
    const second = await run;
    check.assertOnce(sent, [...check.people, ...accounts]);
    assert.equal([second.sent, second.failed, second.unknown], [size.people + accounts.length, 0, 0]);
    return `${first.sent} have it before the bot ends, all ${second.sent} by the next bot, once`;
  }, {
    hasLedger: true,
    async before({ server, table }) {
      accounts = Array.from({ length: 40 }, (_, index) => server.user({ id: 1000 + index, opened: true }));
      await plantActive(table, ...accounts.map(({ chatId }) => chatId));
    },
  });
};

/**
 * Three quarters of those who are left when most have the signal are a stranger's, and are flooded themselves: all others
 * have it soon, whoever is drawn.
 */
const floodedRest: Scenario = async (size) => {
  const latest: number[] = [];
  for (let seed = 1; seed <= 5; seed++) {
    await withSignalCheck(size, async (check) => {
      const sent = check.send();
      await until(() => check.callsOf(sent).length >= size.people * 4 / 5, "it has not begun");
      const left = check.people.filter((person) => timesIn(person, sent.mark) === 0);
      const random = randomOf(seed);
      const strangers = new Set(left.filter(() => random() < 3 / 4));
      for (const stranger of strangers) stranger.flood(590);
      const from = check.clock.now();
      await check.arrived(sent, left.filter((person) => !strangers.has(person)));
      latest.push(Math.round((check.clock.now() - from) / 1000));
      // Each of the stranger's chats may cost a second.
      const atMost = 10_000 + 1000 * strangers.size;
      assert.ok(
        check.clock.now() - from <= atMost,
        `the last has it after ${latest.at(-1)} s (seed ${seed})`,
      );
    }, { isInMemory: true, seed });
  }
  return `the last of all others after ${latest.join(", ")} s`;
};

/** One person adds the bot to 150 channels and groups: ten are registered; with no limit people still come first. */
const manyChats = (chatsPerAdder?: number): Scenario => async (size) => {
  return await withSignalCheck(size, async (check) => {
    const { server, settled } = check.fixture;
    const owner = server.user();
    const chats = [...server.channelsOf(owner, 75), ...server.groupsOf(owner, 75, "supergroup")];
    check.clock.setFactor(Math.max(size.factor, 20));
    await settled();
    check.clock.setFactor(size.factor);
    const sent = check.send();
    const numbers = await check.measure(sent);
    const { recipients, sent: count } = await sent.run;
    const registered = Math.min(chats.length, chatsPerAdder ?? 10);
    assert.equal([recipients, count], [size.people + registered, size.people + registered]);
    const calls = check.callsOf(sent);
    const firstOther = calls.findIndex((call) => check.isOthers(call));
    assert.is(firstOther, size.people, "people come before channels and groups");
    return numbersLine(size.people, numbers);
  }, { bot: { chatsPerAdder } });
};

export const strangerScenarios: Readonly<Record<string, Scenario>> = {
  "two accounts refuse in unknown words": refusing("accounts"),
  "two groups refuse in unknown words": refusing("groups"),
  "two accounts refuse in unknown words, with an id": refusing("accounts", "row"),
  "two groups refuse in unknown words, with an id": refusing("groups", "row"),
  "three groups in slow mode, twelve /help each": slowModes(150),
  "three groups in slow mode, held by the server": slowModes(7, { maxHoldSeconds: 8 }),
  "fifty accounts send forty commands each": commands,
  "a hundred strangers send /stop to a private bot": privateStops,
  "twenty accounts are flooded themselves": floodedAccounts,
  "six accounts that come first are flooded for an hour": floodedNeighbours(6, 3600),
  "six accounts that come first are flooded for an hour, with an id": floodedNeighbours(6, 3600, "row"),
  "forty accounts that come first are flooded for minutes": floodedNeighbours(40, 300),
  "forty accounts that come first are flooded for minutes, with an id": floodedNeighbours(40, 300, "row"),
  "eight accounts that come first are flooded for half a minute": floodedNeighbours(8, 30),
  "forty accounts are flooded for minutes, and the bot ends": leavingFlooded,
  "three quarters of those who are left are flooded for minutes": floodedRest,
  "one person adds the bot to 150 chats": manyChats(),
  "one person adds the bot to 150 chats, and may": manyChats(Infinity),
};
