/** How the parts of a bot are connected: the user's handlers behind the toolkit's, and every fact through one queue. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { Bot, Context } from "grammy/web";
import type { LocalUser } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { FastClock, soon, subscribers, until, withBot } from "../support/bot.ts";
import { rm } from "../support/leaks.ts";

const handlers = suite("bot.grammy", {}, 60_000);

handlers(
  "to read it changes nothing: an update is confirmed without a run of handlers, which may come later",
  async () => {
    await withBot(async ({ bot, server, settled }) => {
      const { grammy } = bot;
      assert.match(inspect(grammy), "Bot");
      await grammy.api.getMe();
      let runs = 0;
      grammy.handleUpdate = () => {
        runs++;
        return new Promise<void>(() => {});
      };
      await bot.startBot();
      const user = server.user();
      user.say("/start");
      await user.received("Welcome!");
      assert.ok(await soon(settled(), 2000), "the update is held back");
      assert.is(runs, 0);

      Reflect.deleteProperty(grammy, "handleUpdate");
      const seen: string[] = [];
      bot.grammy.on("message:text", (ctx) => void seen.push(ctx.message.text));
      user.say("hello");
      await until(() => seen.join() === "hello", "the handler that came later did not run");
      await settled();
    }, { state: "made" });
  },
);

/** Ways to add a handler by grammY. */
const ways: Readonly<Record<string, (grammy: Bot, handler: (ctx: Context) => void) => unknown>> = {
  "use()": (grammy, handler) => grammy.use(handler),
  "on()": (grammy, handler) => grammy.on("message", handler),
  "command()": (grammy, handler) => grammy.command("price", handler),
  "hears()": (grammy, handler) => grammy.hears("/price", handler),
  "filter()": (grammy, handler) => grammy.filter(() => true, handler),
  "errorBoundary()": (grammy, handler) => grammy.errorBoundary(() => {}, handler),
  "a composer that on() gave": (grammy, handler) => grammy.on("message").use(handler),
};

handlers("every way to add a handler is noticed", async () => {
  for (const [way, add] of Object.entries(ways)) {
    await withBot(async ({ bot, server }) => {
      const seen: (number | undefined)[] = [];
      add(bot.grammy, (ctx) => void seen.push(ctx.chat?.id));
      await bot.startBot();
      const user = server.user();
      user.say("/price");
      await until(() => seen[0] === user.chatId, `the handler of ${way} did not run`);
    }, { state: "made" });
  }
});

handlers.run();

const writes = suite("what a broadcast finds out in an outage", {}, 60_000);

/** Where the table can be written again: in the same process, or in the next one. */
for (const end of ["once DynamoDB is back", "by the next process, from the spool file"]) {
  writes(`a person's and a group's 403 wait in the queue, and are written ${end}`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "wiring-"));
    try {
      await withBot(async (scene) => {
        const { bot, server, gate, settled, item, another } = scene;
        const boss = server.user();
        const group = server.group({ title: "Traders", administrators: [boss] });
        group.say(boss, "/start");
        await group.received("subscribed");
        const [person] = await subscribers(scene, 2) as [LocalUser, LocalUser];
        await settled();
        gate.deny("UpdateItem");
        server.unheard(() => {
          person.block();
          group.removeBot(boss);
        });
        const { sent, deactivated } = await bot.broadcast("signal");
        assert.equal([sent, deactivated], [1, 2]);
        assert.is(bot.health.queuedUpdates, 2, "both wait in the queue");
        for (const chat of [person, group]) assert.equal((await item(chat))?.["is_active"], { BOOL: true });
        const next = await bot.broadcast("signal 2");
        assert.equal([next.sent, next.skipped], [1, 2], "both count meanwhile");
        if (end === "once DynamoDB is back") gate.clear();
        else {
          await bot.stopBot();
          gate.clear();
          await another().startBot();
        }
        const reasonOf = async (chat: typeof person | typeof group): Promise<string | undefined> =>
          (await item(chat))?.["removed_reason"]?.S;
        await until(async () => await reasonOf(person) === "blocked", "the person's is not written");
        await until(async () => await reasonOf(group) === "left", "the group's is not written");
      }, { bot: { clock: new FastClock(20), spoolFile: join(folder, "spool") } });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}

writes.run();
