/** Words of the owner's own in place of the bot's: in a chat's language, in signals, and where they fail. */
import { createMessageRenderer, defaultMessages, type Wording } from "../../lib/chats/messages.ts";
import { bold, format, lines } from "../../lib/telegram/text.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { botOn, Logs, said, withBot } from "../support/bot.ts";

const test = suite("messages of one's own");

const ticket = { direction: "long", symbol: "BTC-USD", entry: 2, stop: 1, target: 4 } as const;

const german: Readonly<Record<string, string>> = {
  registered: "Willkommen!",
  stopped: "Abgemeldet.",
  help: "Hilfe",
};
const translated = Object.fromEntries(
  Object.entries(german).map(([name, text]): [string, Wording] => [
    name,
    ({ languageCode }) => languageCode === "de" ? text : undefined,
  ]),
);

test("a chat hears its own language, as Telegram tells it; what is not translated stays", async () => {
  await withBot(async ({ server, settled }) => {
    const [anna, ben] = [server.user({ language_code: "de" }), server.user({ language_code: "en" })];
    for (const user of [anna, ben]) {
      for (const text of ["/start", "/help", "/stop", "/status"]) user.say(text);
    }
    await settled();
    assert.equal(said(anna), [
      "Willkommen!",
      "Hilfe",
      "Abgemeldet.",
      "This chat is not subscribed. /start subscribes it.",
    ]);
    assert.is(said(ben)[0], "Welcome! You are subscribed.");
    assert.is(said(ben).length, 4);
  }, { bot: { messages: translated } });
});

test("the greeting of a person who unblocks the bot is in their language, too", async () => {
  const returned: Wording = ({ languageCode }) => `Wieder da (${languageCode})`;
  await withBot(async ({ server, settled }) => {
    const anna = server.user({ language_code: "de" });
    anna.say("/start");
    await settled();
    anna.block();
    await settled();
    anna.unblock();
    await settled();
    assert.is(said(anna).at(-1), "Wieder da (de)");
  }, { bot: { messages: { returned } } });
});

test("a wording may add to the bot's own, with its formatting", async () => {
  const disclaimer = "No advice.";
  await withBot(async ({ server, bot, settled }) => {
    const user = server.user();
    user.say("/start");
    await settled();
    await bot.sendSignal(ticket);
    const [welcome, signal] = user.inbox;
    assert.match(welcome?.text ?? "", /You are subscribed.*No advice\.$/s);
    assert.match(signal?.text ?? "", /🟢 LONG BTC-USD.*No advice\.$/s);
    assert.equal(welcome?.entities?.filter(({ type }) => type === "bold").length, 2);
  }, {
    bot: {
      messages: {
        registered: (_, own) => lines(own, bold(disclaimer)),
        signal: ({ time }, own) => (assert.ok(time instanceof Date), format(own, "\n", disclaimer)),
      },
    },
  });
});

test("/status is told what there is to tell", async () => {
  const told: unknown[] = [];
  await withBot(async ({ server, settled }) => {
    const user = server.user();
    user.say("/start");
    user.say("/status");
    await settled();
    assert.is(said(user).at(-1), "2 messages, durable: true");
    assert.is((told[0] as { chatId: number }).chatId, user.chatId);
  }, {
    bot: {
      messages: {
        status: (about) => {
          told.push(about);
          return `${about.chat?.message_count} messages, durable: ${about.isDurable}`;
        },
      },
    },
  });
});

const unreadable = Object.defineProperty(new Error(), "message", {
  get() {
    throw new Error("not even this");
  },
});

function raise(thrown: unknown): never {
  throw thrown;
}

const bad: Readonly<Record<string, () => unknown>> = {
  "throws": () => {
    throw new Error("no such key");
  },
  "throws what has no words": () => raise(Object.create(null)),
  "throws an error that cannot be read": () => raise(unreadable),
  "gives nothing to read": () => "  ",
  "gives a number": () => 5,
  "gives null": () => null,
  "gives a promise": () => Promise.resolve("soon"),
  "gives a promise that rejects": () => Promise.reject(new Error("down")),
  "gives too much": () => "x".repeat(4097),
  "gives entities that are none": () => ({ text: "x", entities: "bold" }),
  "gives entities that are no JSON": () => ({ text: "x", entities: [{ ...bold("x").entities[0], id: 1n }] }),
  "gives entities beyond its text": () => ({ text: "x", entities: [{ type: "bold", offset: 0, length: 2 }] }),
};

for (const [what, wording] of Object.entries(bad)) {
  test(`a wording that ${what} costs nobody an answer, and is told once`, () => {
    const logs = new Logs();
    const words = createMessageRenderer({ stopped: wording as Wording }, logs);
    const to = { chatId: 1, languageCode: "de" };
    for (let time = 0; time < 3; time++) assert.equal(words("stopped", to), defaultMessages.stopped(to));
    assert.is(logs.of("error").length, 1);
    assert.match(logs.of("error")[0] ?? "", /messages\.stopped fails, so the bot's own words are used: \S/);
  });
}

test("a signal's ticket goes out whatever its wording does, and may be of any length", async () => {
  await withBot(async ({ server, bot, settled, logs, another }) => {
    const user = server.user();
    user.say("/start");
    await settled();
    await bot.sendSignal(ticket);
    assert.match(said(user).at(-1) ?? "", "LONG BTC-USD");
    assert.is(logs.of("error", "messages.signal").length, 1);
    const long = another({ messages: { signal: () => "word ".repeat(1000).trim() } });
    assert.is((await long.sendSignal(ticket)).sent, 1);
    assert.is(user.inbox.length, 4);
  }, {
    bot: {
      messages: {
        signal: () => {
          throw new Error("oh");
        },
      },
    },
  });
});

test("what a wording gives is sent as text that Telegram takes", () => {
  const words = (text: string): string =>
    createMessageRenderer({ help: () => text }, new Logs())("help", { chatId: 1, languageCode: undefined })
      .text;
  assert.is(words("half \ud83d"), "half \ufffd");
});

test("a misspelt part of what a wording gives is named, and the bot's own words stand in", () => {
  const logs = new Logs();
  const help = () => ({ text: "mine", entites: [] });
  const words = createMessageRenderer({ help }, logs);
  assert.not.match(words("help", { chatId: 1, languageCode: undefined }).text, "mine");
  assert.match(logs.text, "entites is not a part of a text: did you mean entities?");
});

test("a name that no message has, and a wording that is no function, are mistakes in the configuration", () => {
  const server = { token: "1:a", apiRoot: "http://127.0.0.1:1" };
  const noFunctions = /^messages must be functions by the messages' names, which are registered, /;
  const noName = /^(welcome|toString) is not a name in messages: there are only registered, /;
  const mistakes: readonly (readonly [unknown, RegExp])[] = [
    ...[{ help: "hi" }, [], "hi", null].map((each) => [each, noFunctions] as const),
    ...[{ welcome: () => "hi" }, { toString: () => "x" }].map((each) => [each, noName] as const),
    [{ stopped: () => "a", help: "hi" }, /, where help is a text: write help: \(\) => "…"\.$/],
    [{ halp: () => "hi" }, /^halp is not a name in messages: did you mean help\?$/],
  ];
  for (const [messages, message] of mistakes) {
    try {
      botOn(server, "http://127.0.0.1:1", { messages: messages as never });
      assert.unreachable(JSON.stringify(messages));
    } catch (error) {
      assert.instance(error, ConfigError);
      assert.match((error as Error).message, message);
    }
  }
});

test.run();
