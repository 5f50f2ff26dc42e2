/** A broadcast checks who may use the bot, too: a chat that may not any more gets nothing. */
import type { Context } from "grammy/web";
import { assert, suite } from "../harness.ts";
import { said, type Scene, subscribers, until, withBot } from "../support/bot.ts";
import type { RawItem } from "../support/storage.ts";

const test = suite("broadcast(): permission");
const signal = { direction: "long", symbol: "BTC-USD", entry: 100, stop: 90, target: 120 } as const;
const ada = 4711;
const stranger = 666;

/** An active chat in the table that this bot has never heard. */
function activeItem(chatId: number, user_info: RawItem, adderId?: number): RawItem {
  const ago = { S: new Date(Date.now() - 3_600_000).toISOString() };
  return {
    ...{ chat_id: { N: String(chatId) }, is_active: { BOOL: true }, message_count: { N: "1" } },
    ...{ added_at: ago, last_active: ago, user_info: { M: user_info }, removed_at: { NULL: true } },
    ...adderId === undefined ? {} : { added_by: { N: String(adderId) } },
  };
}

test("authorize is asked of silent chats as their items know them, and changes no item", async () => {
  const asked: Context[] = [];
  const members = new Set<number | undefined>();
  const authorize = (ctx: Context): boolean => {
    asked.push(ctx);
    return members.has(ctx.from?.id);
  };
  await withBot(async ({ bot, server, table, item }) => {
    const user = server.user({ id: ada, opened: true });
    const group = server.group({ title: "Desk", id: -77 });
    const channel = server.channel({ title: "News" });
    await table.plant([
      activeItem(ada, { first_name: { S: "Ada" }, username: { S: "ada" }, user_id: { N: String(ada) } }),
      activeItem(group.chatId, { title: { S: "Desk" } }, ada),
      activeItem(channel.chatId, { title: { S: "News" }, type: { S: "channel" } }, stranger),
    ]);
    const before = await item(user);
    const { sent, skipped, skips, ...report } = await bot.sendSignal(signal);
    assert.equal([sent, skipped, skips.disallowed, report.errors], [0, 3, 3, []]);
    assert.equal(await item(user), before);
    const known = asked.map(({ chat, from, message }) => ({ chat, from: from?.id, message }));
    const sorted = known.sort((one, other) => (other.chat?.id ?? 0) - (one.chat?.id ?? 0));
    assert.equal(sorted, [
      {
        chat: { id: ada, type: "private", first_name: "Ada", username: "ada" },
        from: ada,
        message: undefined,
      },
      { chat: { id: -77, type: "group", title: "Desk" }, from: ada, message: undefined },
      { chat: { id: channel.chatId, type: "channel", title: "News" }, from: stranger, message: undefined },
    ]);
    members.add(ada);
    const next = await bot.sendSignal(signal);
    assert.equal([next.sent, next.skips.disallowed], [2, 1]);
    assert.match(String(next), "Sent to 2 of 3 chats in");
    assert.match(String(next), "1 skipped (1 disallowed).");
    assert.equal([user, group, channel].map(({ inbox }) => inbox.length), [1, 1, 0]);
  }, { bot: { authorize } });
});

test("a bot that is started anew asks of the same chats, and a function of the chat works, too", async () => {
  const authorize = ({ chat }: Context): boolean => chat?.id === ada;
  await withBot(async (scene) => {
    const { bot, another, server, settled } = scene;
    const user = server.user({ id: ada });
    user.say("/start");
    await settled();
    await subscribers(scene, 2);
    await bot.stopBot();
    const next = another();
    const { sent, skips } = await next.broadcast("hello");
    assert.equal([sent, skips.disallowed], [1, 2]);
    assert.is(said(user).at(-1), "hello");
  }, { bot: { authorize } });
});

test("allowedUsers: a group that is not listed goes by who has brought it in", async () => {
  await withBot(async ({ bot, server, table }) => {
    const groups = [ada, stranger, undefined].map((adderId) => ({
      adderId,
      chat: server.group({ title: "G" }),
    }));
    const listed = server.group({ title: "Listed", id: -42 });
    const outsider = server.user({ opened: true });
    await table.plant([
      ...groups.map(({ adderId, chat }) => activeItem(chat.chatId, {}, adderId)),
      activeItem(listed.chatId, {}, stranger),
      activeItem(outsider.chatId, {}, ada),
    ]);
    const { sent, skips } = await bot.sendSignal(signal);
    assert.equal([sent, skips.disallowed], [2, 3]);
    const chats = [...groups.map(({ chat }) => chat), listed, outsider];
    assert.equal(chats.map(({ inbox }) => inbox.length), [1, 0, 0, 1, 0]);
  }, { bot: { allowedUsers: [ada, -42] } });
});

test("an authorize that fails leaves its chats without the message, and is logged once", async () => {
  const broken = new Set<number | undefined>();
  const authorize = ({ from }: Context): boolean => {
    if (broken.has(from?.id)) throw new Error("my directory is down");
    return true;
  };
  await withBot(async (scene) => {
    const users = await subscribers(scene, 6);
    for (const { chatId } of users.slice(0, 3)) broken.add(chatId);
    const { sent, failed, errors } = await scene.bot.sendSignal(signal);
    assert.equal([sent, failed], [3, 3]);
    assert.is(errors[0]?.message, "authorize fails: my directory is down");
    assert.is(scene.logs.of("error", "my directory is down").length, 1);
    broken.clear();
    assert.is((await scene.bot.sendSignal(signal)).sent, 6);
  }, { bot: { authorize } });
});

test("answers that do not come hold nobody else's signal up, and a hundred are asked for at most", async () => {
  let waiting = 0;
  let most = 0;
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => answer = resolve);
  const slow = new Set<number | undefined>();
  const authorize = async ({ from }: Context): Promise<boolean> => {
    most = Math.max(most, ++waiting);
    if (slow.has(from?.id)) await answered;
    waiting--;
    return true;
  };
  await withBot(async (scene) => {
    const users = await subscribers(scene, 60);
    for (const { chatId } of users.slice(0, 40)) slow.add(chatId);
    const sending = scene.bot.sendSignal(signal, { order: "ascending" });
    await until(() => users.slice(40).every(({ inbox }) => inbox.length === 1), "the others wait");
    assert.is(users.slice(0, 40).filter(({ inbox }) => inbox.length > 0).length, 0);
    answer();
    assert.is((await sending).sent, 60);
    assert.ok(most >= 40 && most <= 100, `${most} at once`);
  }, { bot: { authorize } });
});

test("where the table cannot be read, authorize is asked with the ids that are known", async () => {
  const authorize = ({ from }: Context): boolean => from?.id === ada;
  await withBot(async (scene: Scene) => {
    const { bot, server, gate, settled } = scene;
    const user = server.user({ id: ada });
    const group = server.group({ title: "Desk", administrators: [user] });
    user.say("/start");
    group.say(user, "/start");
    await settled();
    gate.refuse();
    const { sent, recipientsFrom } = await bot.sendSignal(signal);
    assert.equal([sent, recipientsFrom], [2, "memory"]);
    assert.is(user.inbox.length, 2);
  }, { bot: { authorize } });
});

test.run();
