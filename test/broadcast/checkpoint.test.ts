/** What a run writes into the ledger while it is sent, in virtual time. */
import { openLedgers } from "../../lib/bot/open_storage.ts";
import { PauseControl } from "../../lib/broadcast/broadcast_run.ts";
import { Broadcaster } from "../../lib/broadcast/broadcaster.ts";
import type { RunRecord } from "../../lib/broadcast/ledger.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import { assert, suite } from "../harness.ts";
import { VirtualTelegram } from "../support/virtual_telegram.ts";

/** Notes when its run was written. */
class WatchedLedger extends InMemoryLedger {
  readonly saves: number[] = [];
  readonly #now: () => number;

  constructor(now: () => number) {
    super();
    this.#now = now;
  }

  override save(run: RunRecord): Promise<boolean> {
    this.saves.push(this.#now());
    return super.save(run);
  }
}

const test = suite("a run's checkpoints");

interface Opened {
  readonly broadcaster: Broadcaster;
  readonly ledger: WatchedLedger;
  readonly clock: VirtualTelegram["clock"];
  readonly taken: VirtualTelegram["taken"];
}

/** Of a bot at three messages a second, with so many chats. */
async function opened(chats: number, botId: number = 1, shared?: WatchedLedger): Promise<Opened> {
  const messagesPerSecond = 3;
  const { api, gate: rateLimiter, clock, logger, taken } = new VirtualTelegram({ messagesPerSecond });
  const storage = new InMemoryChatStorage({ clock, logger });
  for (let chatId = 1; chatId <= chats; chatId++) await storage.saveChat(chatId);
  const registry = new ChatRegistry(storage, undefined, clock);
  await registry.load();
  const ledger = shared ?? new WatchedLedger(() => clock.now());
  const broadcaster = new Broadcaster({
    ...{ api, rateLimiter, registry, clock, logger, messagesPerSecond, botId },
    ledgers: await openLedgers({ useDynamoDB: false, ledger }, registry, clock, logger),
    migrate: (from, to, at) => registry.migrate(from, to, at),
    keep: async (chatId, event) => (await registry.apply(chatId, [event])).after?.is_active !== true,
  });
  return { broadcaster, ledger, clock, taken };
}

test("the lease is renewed within five seconds of the last write, whenever that was", async () => {
  const { broadcaster, ledger, clock, taken } = await opened(300);
  const sent = broadcaster.send({ text: "hello" }, { broadcastId: "one" }, clock.now(), new PauseControl());
  await clock.pass(90_000);
  assert.ok(taken.length > 200, `${taken.length} messages`);
  const gaps = ledger.saves.slice(1).map((at, index) => at - (ledger.saves[index] ?? at));
  assert.ok(gaps.length > 15, `${gaps.length} gaps`);
  assert.ok(Math.max(...gaps) <= 5000, `${Math.max(...gaps)} ms between two writes`);
  await clock.drain(60_000);
  assert.is((await sent).sent, 300);
  await broadcaster.close();
});

test("another bot's broadcast of the same id is an error that says what to do, and not taken for one's own", async () => {
  const first = await opened(3, 111);
  const sent = first.broadcaster.send({ text: "hello" }, { broadcastId: "one" }, 0, new PauseControl());
  await first.clock.drain(10_000);
  assert.is((await sent).sent, 3);
  const second = await opened(3, 222, first.ledger);
  const call = second.broadcaster.send({ text: "hello" }, { broadcastId: "one" }, 0, new PauseControl());
  const failing = call.then(() => undefined, (error: Error) => error);
  await second.clock.drain(10_000);
  const error = await failing;
  assert.is(error?.name, "ConfigError");
  assert.match(
    error?.message ?? "",
    /"one" is of the bot 111, and this is the bot 222: .*TELEGRAM_BROADCASTS_TABLE/,
  );
  assert.is(second.taken.length, 0);
  for (const { broadcaster } of [first, second]) await broadcaster.close();
});

test.run();
