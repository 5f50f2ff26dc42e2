/** What strangers do around a signal, and that everybody else has it all the same. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert } from "../harness.ts";
import { plantActive, until } from "../support/bot.ts";
import { idsOf, numbersLine, onStage, type Size, type StageOptions } from "./stage.ts";

/** Plays the row and gives its line of numbers. */
export type Row = (size: Size) => Promise<string>;

const unknownWords = [
  "Bad Request: STRANGE_PEER_UNSUPPORTED",
  "Bad Request: the moon is not in the right house",
] as const;

/** A stranger's two chats are the first recipients, and refuse in words that nobody knows. */
const refusing = (kind: "accounts" | "groups", broadcastId?: string): Row => async (size) => {
  let line = "";
  const chatIds: number[] = [];
  await onStage(size, async (stage) => {
    const sent = stage.send({
      broadcastId,
      order: kind === "accounts" ? "ascending" : ({ chat_id }) => chatIds.includes(chat_id) ? 0 : 1,
    });
    const numbers = await stage.judge(sent);
    const { sent: count, failed, stopped } = await sent.run;
    assert.equal([count, failed, stopped], [size.people, 2, undefined]);
    const [first, second] = stage.callsOf(sent).map(({ payload }) => Number(payload["chat_id"]));
    assert.ok(chatIds.includes(first ?? 0), "a stranger's chat is the first");
    // Once one has refused, people are asked who are drawn by chance.
    assert.not.ok(chatIds.includes(second ?? 0));
    const { logs } = stage.scene;
    for (const words of unknownWords) assert.is(logs.of("warn", words).length, 1, logs.text);
    line = numbersLine(size.people, numbers);
  }, {
    hasLedger: broadcastId !== undefined,
    async before({ server, table }) {
      const chats = unknownWords.map((description, index) => {
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
  return line;
};

/** Three groups in slow mode, twelve /help in each. */
const slowModes = (seconds: number, server?: StageOptions["server"]): Row => async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server, settled, logs } = stage.scene;
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
    await stage.clock.sleep(300);
    const sent = stage.send();
    const numbers = await stage.judge(sent);
    assert.equal(logs.of("warn", "limits the rate"), []);
    assert.ok(numbers.others <= 36, `${numbers.others} messages to the groups`);
    await stage.finished(sent);
    line = numbersLine(size.people, numbers);
  }, { server: { groupMessagesPerMinute: 20, ...server } });
  return line;
};

/** Fifty accounts send forty commands each: replies have a third of the pace. */
const commands: Row = async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server } = stage.scene;
    const strangers = Array.from({ length: 50 }, () => server.user());
    const all = (): void => strangers.forEach((stranger) => stranger.say("/help"));
    for (let time = 0; time < 40; time++) all();
    await until(() => server.pendingUpdates === 0, "the commands are not heard");
    const sent = stage.send();
    const traffic = stage.repeat(1000, all);
    const numbers = await stage.judge(sent, 2 / 3);
    await traffic.stop();
    assert.ok(numbers.others > 0, "the strangers are answered, too");
    // The strangers are registered by what they say.
    const atMost = (size.people + strangers.length) / 2 * size.bounds.times + 10;
    assert.ok(numbers.others <= atMost, `${numbers.others} replies left meanwhile, of ${atMost}`);
    await stage.finished(sent);
    line = `${numbersLine(size.people, numbers)}; the pace less a third for replies`;
  }, { isInMemory: true, server: { chatMessagesPerSecond: 1 } });
  return line;
};

/** A hundred strangers send /stop to a private bot, again and again: each is answered once, and costs one read. */
const privateStops: Row = async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server, settled, gate } = stage.scene;
    const strangers = Array.from({ length: 100 }, () => server.user());
    const all = (): void => strangers.forEach((stranger) => stranger.say("/stop"));
    all();
    all();
    await stage.clock.sleep(300);
    const sent = stage.send();
    all();
    const numbers = await stage.judge(sent, 2 / 3);
    assert.ok(numbers.others <= strangers.length, `${numbers.others} messages to strangers`);
    await stage.finished(sent);
    await settled();
    for (const { attempts } of strangers) assert.ok(attempts <= 1, `${attempts} answers to a stranger`);
    gate.resetCounts();
    all();
    await settled();
    assert.is(gate.count("GetItem"), 0, "what is known of a stranger is not read again");
    for (const { attempts } of strangers) assert.ok(attempts <= 1, `${attempts} answers to a stranger`);
    line = `${numbersLine(size.people, numbers)}; the pace less a third for replies`;
  }, { bot: { allowedUsers: idsOf(size.people) } });
  return line;
};

/** Twenty accounts whose own chats are flooded for an hour have replies refused, before a signal and beside it. */
const floodedAccounts: Row = async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server } = stage.scene;
    const strangers = Array.from({ length: 20 }, () => server.user());
    for (const stranger of strangers) {
      stranger.flood(3600);
      stranger.say("/help");
      await until(
        () => stranger.attempts > 0 || stage.scene.logs.of("warn", "limits the rate").length > 0,
        "no answer",
      );
    }
    const sent = stage.send();
    const numbers = await stage.judge(sent);
    line = numbersLine(size.people, numbers);
    stage.clock.setFactor(300);
  }, { isInMemory: true });
  return line;
};

/** Accounts next to each other in the order, the first of all, are flooded themselves: alike, and for long. */
const floodedNeighbours = (count: number, seconds: number, broadcastId?: string): Row => async (size) => {
  let line = "";
  let accounts: readonly LocalUser[] = [];
  await onStage(size, async (stage) => {
    for (const account of accounts) account.flood(seconds);
    const sent = stage.send({ broadcastId, order: "ascending" });
    const numbers = await stage.judge(sent);
    const [first] = stage.callsOf(sent);
    assert.is(first?.payload["chat_id"], accounts[0]?.chatId, "an account of theirs is the first");
    assert.equal(stage.scene.logs.of("warn", "limits the rate"), []);
    // Ten minutes are waited for at most.
    const { sent: reached, failed } = await stage.finished(sent);
    assert.equal([reached, failed], seconds > 600 ? [size.people, count] : [size.people + count, 0]);
    line = numbersLine(size.people, numbers);
  }, {
    hasLedger: broadcastId !== undefined,
    async before({ server, table }) {
      accounts = Array.from({ length: count }, (_, index) => server.user({ id: 1000 + index, opened: true }));
      await plantActive(table, ...accounts.map(({ chatId }) => chatId));
    },
  });
  return line;
};

/** The same forty for minutes, and the bot ends meanwhile: the next one goes on with all who had to wait. */
const leavingFlooded: Row = async (size) => {
  let line = "";
  let accounts: readonly LocalUser[] = [];
  await onStage(size, async (stage) => {
    const { bot, another } = stage.scene;
    const floods = accounts.map((account) => account.flood(590));
    const sent = stage.send({ broadcastId: "left" });
    await stage.arrived(sent);
    stage.clock.setFactor(20);
    await bot.stopBot();
    const first = await sent.run;
    assert.match(first.stopped ?? "", "the bot was stopped");
    assert.equal([first.failed, first.skipped], [0, accounts.length]);
    for (const flood of floods) flood.clear();
    stage.clock.setFactor(size.factor);
    const { run } = stage.repeated(sent, another(), { broadcastId: "left" });
    const second = await run;
    stage.assertOnce(sent, [...stage.people, ...accounts]);
    assert.equal([second.sent, second.failed, second.unknown], [size.people + accounts.length, 0, 0]);
    line = `${first.sent} have it before the bot ends, all ${second.sent} by the next bot, once`;
  }, {
    hasLedger: true,
    async before({ server, table }) {
      accounts = Array.from({ length: 40 }, (_, index) => server.user({ id: 1000 + index, opened: true }));
      await plantActive(table, ...accounts.map(({ chatId }) => chatId));
    },
  });
  return line;
};

/** One person adds the bot to 150 channels and groups: ten are registered; with no limit people still come first. */
const manyChats = (chatsPerAdder?: number): Row => async (size) => {
  let line = "";
  await onStage(size, async (stage) => {
    const { server, settled } = stage.scene;
    const owner = server.user();
    const chats = [...server.channelsOf(owner, 75), ...server.groupsOf(owner, 75, "supergroup")];
    stage.clock.setFactor(Math.max(size.factor, 20));
    await settled();
    stage.clock.setFactor(size.factor);
    const sent = stage.send();
    const numbers = await stage.judge(sent);
    const { recipients, sent: count } = await sent.run;
    const registered = Math.min(chats.length, chatsPerAdder ?? 10);
    assert.equal([recipients, count], [size.people + registered, size.people + registered]);
    const calls = stage.callsOf(sent);
    const firstOther = calls.findIndex((call) => stage.isOthers(call));
    assert.is(firstOther, size.people, "people come before channels and groups");
    line = numbersLine(size.people, numbers);
  }, { bot: { chatsPerAdder } });
  return line;
};

export const strangerRows: Readonly<Record<string, Row>> = {
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
  "one person adds the bot to 150 chats": manyChats(),
  "one person adds the bot to 150 chats, and may": manyChats(Infinity),
};
