/** The confirmation of a /stop waits while others send without looking, and nothing else waits with it. */
import type { LocalUser } from "../../lib/local/mod.ts";
import { ChatRegistry } from "../../lib/chats/registry.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { migrateChat } from "../../lib/chats/storage.ts";
import { subscriptions } from "../../lib/bot/plugin.ts";
import { assert, suite } from "../harness.ts";
import {
  FastClock,
  grammyBotOn,
  said,
  type Scene,
  type SceneOptions,
  until,
  withBot,
} from "../support/bot.ts";

const test = suite("the confirmation of a /stop", {}, 60_000);

const unsubscribed = "You are unsubscribed.";
const minuteMs = 60_000;

/** Holds who sleeps for three seconds until it is released. */
class HoldClock extends FastClock {
  held = 0;
  #release = (): void => {};
  readonly #released = new Promise<void>((resolve) => this.#release = resolve);

  release(): void {
    this.#release();
  }

  override async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms !== 3000) return await super.sleep(ms, signal);
    this.held++;
    await this.#released;
  }
}

async function withHold(
  body: (scene: Scene, clock: HoldClock) => Promise<void>,
  options: SceneOptions = {},
): Promise<void> {
  const clock = new HoldClock(1);
  await withBot(async (scene) => {
    try {
      await body(scene, clock);
    } finally {
      clock.release();
    }
  }, { ...options, bot: { clock, ...options.bot } });
}

const sendElsewhere = async ({ table }: Scene): Promise<void> => {
  await table.storage().beginSending(Date.now() + minuteMs);
};

test("waits for three seconds while another process sends; updates, others and broadcasts do not", async () => {
  await withHold(async (scene, clock) => {
    const { bot, server, item } = scene;
    const [leaver, other] = [server.user(), server.user()];
    leaver.say("/start");
    await leaver.received("Welcome!");
    await sendElsewhere(scene);
    leaver.say("/stop");
    leaver.say("/help");
    other.say("/start");
    await other.received("Welcome!");
    await until(() => clock.held === 1 && server.pendingUpdates === 0, "the poll is held", 10_000);
    assert.equal((await item(leaver))?.["removed_reason"], { S: "stopped" });
    assert.is((await bot.broadcast("signal")).sent, 1);
    assert.is(said(leaver).length, 1, "neither confirmed, nor answered before that");
    assert.is(bot.health.pendingReplies, 1 + 1);
    clock.release();
    await leaver.received("I send trading signals");
    assert.is(said(leaver)[1], unsubscribed);
  });
});

test("does not wait where nobody sends, or nobody did for nine minutes", async () => {
  await withHold(async ({ server, table }, clock) => {
    const user = server.user();
    for (const sentMsAgo of [undefined, 10 * minuteMs]) {
      if (sentMsAgo !== undefined) await table.storage().beginSending(Date.now() - sentMsAgo);
      user.say("/start");
      user.say("/stop");
      await until(() => said(user).at(-1) === unsubscribed, "it is not confirmed");
    }
    assert.is(clock.held, 0);
  });
});

test("waits behind a webhook, too, whose answer waits with it", async () => {
  await withHold(async (scene, clock) => {
    const { bot, server, table } = scene;
    const user = server.user({ opened: true });
    await table.storage().saveChat(user.chatId);
    await sendElsewhere(scene);
    const chat = { id: user.chatId, type: "private", first_name: "Ada" };
    const message = {
      message_id: 1,
      date: Math.floor(Date.now() / 1000),
      chat,
      from: { ...chat, is_bot: false },
    };
    const entities = [{ type: "bot_command", offset: 0, length: 5 }];
    let isDone = false;
    const update = { update_id: 77, message: { ...message, text: "/stop", entities } };
    const handled = bot.handleUpdate(update as never).then(() => isDone = true);
    await until(() => clock.held === 1, "it is not held", 10_000);
    assert.equal([isDone, said(user).length], [false, 0]);
    clock.release();
    await handled;
    assert.equal(said(user), [unsubscribed]);
  }, { state: "initialized" });
});

test("waits on somebody's own bot, whose other updates do not", async () => {
  await withHold(async (scene, clock) => {
    const { server, table, logs } = scene;
    await using subscribers = subscriptions({ storage: table.storage(), logger: logs, clock });
    const theirs = grammyBotOn(server);
    theirs.use(subscribers);
    const running = theirs.start();
    try {
      const [leaver, other] = [server.user(), server.user()];
      leaver.say("/start");
      await leaver.received("Welcome!");
      await sendElsewhere(scene);
      leaver.say("/stop");
      other.say("/start");
      await other.received("Welcome!");
      await until(() => clock.held === 1, "it is not held", 10_000);
      assert.is(said(leaver).length, 1);
      clock.release();
      await leaver.received(unsubscribed);
    } finally {
      clock.release();
      await theirs.stop();
      await running;
    }
  }, { state: "made" });
});

test("waits though its answer was lost, and the write is a retry", async () => {
  await withHold(async (scene, clock) => {
    const { server, gate, item } = scene;
    const user = server.user();
    user.say("/start");
    await user.received("Welcome!");
    await sendElsewhere(scene);
    // All that the client asks by itself: what the next try finds was written by this one.
    const fault = gate.loseAnswers({ action: "UpdateItem", times: 3 });
    user.say("/stop");
    await until(() => clock.held === 1, "it is not held", 10_000);
    fault.clear();
    assert.equal((await item(user))?.["removed_reason"], { S: "stopped" });
    clock.release();
    await user.received(unsubscribed);
  });
});

test("waits in a group that has become a supergroup before it was heard", async () => {
  await withHold(async (scene) => {
    const storage = scene.table.storage();
    await storage.saveChat(-5);
    await migrateChat(storage, -5, -1_000_000_000_005, Date.now());
    await sendElsewhere(scene);
    const registry = new ChatRegistry(storage);
    const stop = { kind: "stop", at: Date.now(), updateId: 1 } as const;
    const { before, confirmAfterMs } = await registry.apply(-5, [stop]);
    assert.equal([before?.removed_reason, confirmAfterMs], ["migrated", 3000]);
    assert.is((await storage.getChat(-1_000_000_000_005))?.removed_reason, "stopped");
    // The /stop of the group that is closed is told, and so is that of its supergroup.
    assert.equal((await storage.readStopLog()).chats, new Set([-5, -1_000_000_000_005]));
  }, { state: "made" });
});

/** A signal is on its way to a subscriber, and what happens to it there, when the subscriber says /stop. */
async function stopUnderWay(
  answer: "hang" | { readonly delayMs: number },
  factor: number,
  body: (scene: Scene, leaver: LocalUser) => Promise<void>,
): Promise<void> {
  await withBot(async (scene) => {
    const { bot, server } = scene;
    const leaver = server.user();
    leaver.say("/start");
    await leaver.received("Welcome!");
    const fault = server.fault({ method: "sendMessage", chatId: leaver.chatId, answer });
    const run = bot.broadcast("a signal");
    await until(() => fault.hits === 1, "it does not leave");
    leaver.say("/stop");
    await body(scene, leaver);
    run.catch(() => {});
  }, { bot: { storage: new InMemoryChatStorage(), clock: new FastClock(factor) } });
}

test("comes behind a message that is on its way already", async () => {
  await stopUnderWay({ delayMs: 1000 }, 1, async (_, leaver) => {
    await leaver.received(unsubscribed);
    assert.equal(said(leaver).slice(1), ["a signal", unsubscribed]);
  });
});

test("is not given where such a message gets no answer, as it may still arrive", async () => {
  await stopUnderWay("hang", 10, async ({ bot, server, logs }, leaver) => {
    const other = server.user();
    other.say("/start");
    await other.received("Welcome!");
    await until(() => bot.health.droppedReplies === 1, "it is not given up");
    assert.match(logs.text, `Chat ${leaver.chatId} is not answered: its turn has not come in time.`);
    assert.is((await bot.broadcast("another one")).sent, 1, "the /stop is kept");
    assert.is(said(leaver).length, 1);
  });
});

test.run();
