/** The server as a whole: its token, its log of calls, its end, and a grammY bot on it. */
import { Bot, GrammyError } from "grammy/web";
import { type BotApiServer, startBotApiServer } from "../../../lib/local/mod.ts";
import { assert, suite } from "../../harness.ts";
import { call, refusal, result, until, withServer } from "../../support/bot_api.ts";

const test = suite("local/telegram/server");

test("a wrong token is refused, and neither token is repeated", () =>
  withServer(async (server) => {
    for (const wrong of ["1000000:AAwrong", "nonsense"]) {
      const response = await fetch(`${server.apiRoot}/bot${wrong}/getMe`);
      const text = await response.text();
      assert.is(response.status, 401);
      assert.match(text, "Unauthorized");
      assert.not.match(text, wrong);
      assert.not.match(text, server.token);
    }
    assert.is(server.calls.length, 0);
  }));

test("calls are recorded", () =>
  withServer(async (server) => {
    const before = Date.now();
    await result(server, "getMe", { odd: 1 });
    await refusal(server, "sendMessage", { chat_id: 5, text: "x" });
    assert.equal(server.calls.map(({ method }) => method), ["getMe", "sendMessage"]);
    assert.equal(server.calls[0]?.payload, { odd: 1 });
    assert.ok((server.calls[0]?.at ?? 0) >= before);
    assert.is(server.countCalls("getme"), 1);
    assert.is(server.countCalls("sendPhoto"), 0);
  }));

test("close() ends long polls and hanging calls at once, and may be repeated", async () => {
  const server = await startBotApiServer({ token: "123456:AAclosed-for-good" });
  server.fault({ method: "getMe", answer: "hang" });
  const open = [call(server, "getUpdates", { timeout: 50 }), call(server, "getMe")];
  const ended = Promise.allSettled(open);
  await until(() => server.calls.length === 2);
  await server.close();
  assert.equal((await ended).map(({ status }) => status), ["rejected", "rejected"]);
  await server.close();
  // The system may have given the port to a server of another test's; it does not know the token.
  const answer = await call(server, "getMe").then(({ body }) => body.ok, () => false);
  assert.is(answer, false, "the port is still open");
});

test("servers are apart from each other, and a taken port is an error", () =>
  withServer(async (one) => {
    one.user().say("hello");
    await withServer((other) => Promise.resolve(assert.is(other.pendingUpdates, 0)));
    const port = Number(new URL(one.apiRoot).port);
    let error: unknown;
    await startBotApiServer({ port }).catch((reason) => error = reason);
    // Bun has other words for it.
    assert.is((error as NodeJS.ErrnoException).code, "EADDRINUSE");
  }));

function echoBot(server: BotApiServer, handled: string[]): Bot {
  const bot = new Bot(server.token, { client: { apiRoot: server.apiRoot } });
  bot.command("start", (context) => context.reply(`Welcome, ${context.from?.first_name}`));
  bot.on("message:text", (context) => void handled.push(context.message.text));
  bot.catch(() => {});
  return bot;
}

test("a grammY bot is answered, stopped, restarted and told that it is not alone", () =>
  withServer(async (server) => {
    const ada = server.user({ first_name: "Ada" });
    ada.say("/start");
    const handled: string[] = [];
    const first = echoBot(server, handled);
    const running = first.start();
    assert.is((await ada.received("Welcome, Ada")).from?.id, server.bot.id);
    await first.stop();
    await running;
    assert.is(server.pendingUpdates, 0);
    ada.say("while you were away");
    const second = echoBot(server, handled);
    const alone = second.start();
    await until(() => handled.length === 1);
    assert.equal(handled, ["while you were away"]);
    let error: unknown;
    const lost = alone.catch((reason) => error = reason);
    await until(() => server.pendingUpdates === 0);
    const rival = call(server, "getUpdates", { timeout: 50, offset: -1 }).catch(() => {});
    await lost;
    assert.instance(error, GrammyError);
    assert.is((error as GrammyError).error_code, 409);
    await server.close();
    await rival;
  }));

test("the token is another each time, in Telegram's form, unless it is given", async () => {
  await using one = await startBotApiServer();
  await using other = await startBotApiServer();
  await using given = await startBotApiServer({ token: "5:AAgiven" });
  for (const { token, bot } of [one, other]) assert.match(token, new RegExp(`^${bot.id}:[\\w-]{35}$`));
  assert.is.not(one.token, other.token);
  assert.equal([given.token, given.bot.id], ["5:AAgiven", 5]);
});

test("what is given to the server is checked by its rule", async () => {
  await using server = await startBotApiServer();
  const group = server.group({ title: "Traders" });
  const refused: [call: () => unknown, message: string][] = [
    [
      () => server.user({ id: "5" } as never),
      'add the person as "id" must be a whole number: current value is "5"',
    ],
    [() => server.user({ opened: "yes" } as never), '"opened" must be true or false'],
    [
      () => server.user().say(undefined as never),
      'Cannot write as "text" must be a text: current value is undefined',
    ],
    [() => group.say(server.user(), 5 as never), 'Cannot write as "text" must be a text: current value is 5'],
    [() => server.groupsOf(server.user(), "3" as never), '"count" must be a whole number from 0 on'],
    [() => server.channelsOf(server.user(), undefined as never), '"count" must be a whole number from 0 on'],
    [() => server.countCalls(undefined as never), '"method" must be a method\'s name'],
    [
      () => server.push(undefined as never),
      "queue an update as it must be an object: current value is undefined",
    ],
    [() => server.unheard(undefined as never), '"task" must be a function'],
  ];
  for (const [call, message] of refused) {
    assert.throws(call, (error: Error) => error instanceof TypeError && error.message.includes(message));
  }
});

test("the server's options are checked before it starts", async () => {
  const given = {
    ...{ port: "80", username: 5, messagesPerSecond: 0, chatMessagesPerSecond: NaN, chatBurst: 0 },
    ...{
      groupMessagesPerMinute: -1,
      maxHoldSeconds: "8",
      latencyMs: Infinity,
      firstUpdateId: 1.5,
      clock: {},
    },
  };
  for (const [name, value] of Object.entries(given)) {
    const { message } = await startBotApiServer({ [name]: value } as never).catch((error) => error);
    assert.match(message, `Cannot start the server as "${name}" must be `);
  }
});

test.run();
