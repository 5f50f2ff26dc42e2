/**
 * Random histories of many chats against the one-by-one fold of the rule. A failure names its seed; to see it again:
 * `APPLY_SEED=… APPLY_HISTORIES=1 npx tsx test/apply.test.ts`.
 */
import process from "node:process";
import { isDeepStrictEqual } from "node:util";
import type { Chat } from "../../lib/chats/events.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import type { ChatStorage } from "../../lib/chats/storage.ts";
import { assert, suite } from "../harness.ts";
import { known } from "../support/chats.ts";
import { type History, historyOf, play, randomOf } from "../support/histories.ts";
import { sharedTable } from "../support/storage.ts";

const firstSeed = Number(process.env["APPLY_SEED"] || Date.now() % 1_000_000_000);
const histories = Number(process.env["APPLY_HISTORIES"] || 1000);
const storagesAtOnce = 8;
const historiesAtOnce = 48;

const { freshTable, expectNoTrespass, closeTable } = sharedTable({ random: randomOf(firstSeed) });

const test = suite("apply()", {}, 120_000);

/** Plays the histories, so many at a time, then looks at every chat. The first failure ends it. */
async function check(storages: readonly ChatStorage[], count: number): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) {
      const history = historyOf(firstSeed + index);
      try {
        await play(history, history.seed, storages);
      } catch (error) {
        next = count;
        throw new Error(told(history, String(error)), { cause: error });
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: historiesAtOnce }, worker));
  for (const end of ended) if (end.status === "rejected") throw end.reason;
}

/** What is kept has to be what the fold gives: no chat more, no chat less, to the last attribute. */
async function compare(storage: ChatStorage, count: number): Promise<void> {
  const kept = new Map<number, Chat>();
  for await (const page of storage.scan()) for (const chat of page) kept.set(chat.chat_id, chat);
  let chats = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const history = historyOf(seed);
    const wanted = history.outcome && { chat_id: seed, ...known(history.outcome) };
    if (wanted) chats++;
    if (!isDeepStrictEqual(known(kept.get(seed)), wanted)) {
      assert.equal(known(kept.get(seed)), wanted, told(history, "not as the fold has it"));
    }
  }
  assert.is(kept.size, chats);
}

function told({ seed, events }: History, what: string): string {
  return `APPLY_SEED=${seed}: ${what}\n${JSON.stringify(events, null, 1)}`;
}

test("the histories hold every kind of event, one to three writers, and chats of every kind in the end", () => {
  const drawn = Array.from({ length: 2000 }, (_, index) => historyOf(index));
  const kinds = new Set(drawn.flatMap(({ events }) => events.map(({ kind }) => kind)));
  assert.equal([...kinds].sort(), [
    "deactivated",
    "message",
    "reached",
    "reactivated",
    "removed",
    "returned",
    "saved",
    "start",
    "stop",
    "unreached",
  ]);
  assert.equal(new Set(drawn.map(({ writers }) => writers)).size, 3);
  const reasons = new Set(drawn.map(({ outcome }) => outcome?.is_active || outcome?.removed_reason));
  for (const reason of [true, "stopped", "blocked", "left", "gone"] as const) assert.ok(reasons.has(reason));
  const isThird = ({ events, outcome }: History): boolean =>
    outcome?.removed_reason === "gone" && events.at(-1)?.kind === "unreached";
  assert.ok(drawn.some(isThird), "a third strike");
  assert.equal(new Set(drawn.map(({ outcome }) => outcome?.strikes)), new Set([undefined, 1, 2]));
});

test("apply() in memory is the fold, however batches are cut and redelivered", async () => {
  const storage = new InMemoryChatStorage();
  await check([storage], 5 * histories);
  await compare(storage, 5 * histories);
});

test("apply() in DynamoDB is the fold, with 30 % of all answers lost and up to three writers on a chat", async () => {
  const table = await freshTable();
  const storages = Array.from({ length: storagesAtOnce }, () => table.storage());
  const lost = table.gate.loseAnswers({ share: 0.3 });
  await check(storages, histories);
  assert.ok(lost.fired >= histories, "answers were lost");
  table.gate.clear();
  await compare(table.storage(), histories);
});

test.after(async () => {
  await expectNoTrespass();
  await closeTable();
});
test.run();
