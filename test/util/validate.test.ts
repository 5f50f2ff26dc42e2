/** Names that no option, no message and no signal has: in JavaScript nothing else finds them. */
import process from "node:process";
import fc from "fast-check";
import { distance } from "fastest-levenshtein";
import { MeanReversionTelegramBot } from "../../lib/bot/bot.ts";
import { createTelegramBotFromEnv } from "../../lib/bot/env.ts";
import { subscriptions } from "../../lib/bot/plugin.ts";
import { InMemoryLedger } from "../../lib/broadcast/memory_ledger.ts";
import { InMemoryChatStorage } from "../../lib/chats/memory_storage.ts";
import { TelegramDynamoDBStorage } from "../../lib/dynamodb/chat_storage.ts";
import { DynamoDBLedger } from "../../lib/dynamodb/ledger.ts";
import {
  type BotApiFaultAnswer,
  startBotApiServer,
  startDynamoDB,
  startFaultGate,
} from "../../lib/local/mod.ts";
import { drawChart } from "../../lib/signals/chart/mod.ts";
import { validateSignal } from "../../lib/signals/signal.ts";
import { signalCallback } from "../../lib/live/signal_callback.ts";
import { tradingView } from "../../lib/live/trading_view.ts";
import { webhookCallback } from "../../lib/telegram/webhook.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { ConfigError } from "../../lib/util/validate.ts";
import { assert, suite } from "../harness.ts";
import { failureOf } from "../support/storage.ts";
import { Logs, withBot } from "../support/bot.ts";
import { someCandles } from "../support/charts.ts";
import { clientAt } from "../support/client.ts";

type Fields = Readonly<Record<string, unknown>>;
type Kind = new (message: string) => Error;

const botToken = "123456:AAsecret-token_of-the-tests";
const nowhere = "http://127.0.0.1:1";
const signal = { direction: "long", symbol: "BTC-USD", entry: 100, stop: 95, target: 110 } as const;
const logger = new Logs();
const bot = new MeanReversionTelegramBot({ botToken, apiRoot: nowhere, useDynamoDB: false, logger });
const storage = new InMemoryChatStorage();
const client = clientAt(nowhere);
const candles = await someCandles(30);

async function messageOf(call: () => unknown, kind: Kind = Error): Promise<string> {
  try {
    await call();
  } catch (error) {
    assert.instance(error, kind);
    return (error as Error).message;
  }
  throw new Error("it was not refused");
}

const broadcastOptions: Fields = {
  ...{ signal: new AbortController().signal, broadcastId: "b", uniqueForMs: 1000, onUnknown: "skip" },
  expiresAt: 1e12,
  ...{ maxAgeMs: 1, priority: "bulk", allowPaidBroadcast: true, starBudget: 1, perChat: () => undefined },
  ...{ filter: () => true, order: "rotating", whenUnreadable: "send", whenLedgerDown: "send" },
  ...{ massDeactivation: "stop", onProgress: () => {} },
};
const subscriptionsOptions: Fields = {
  ...{ storage, autoRegisterChats: true, chatTypes: ["private"], chatsPerAdder: 1, messages: {} },
  ...{ messagesPerSecond: 1, ledger: new InMemoryLedger(), logger, clock: systemClock },
};

/** Whatever takes options: what it is called with, and every option that it has, with a value that it takes. */
interface Place {
  readonly call: (options: never) => unknown;
  readonly options: Fields;
  /** What it cannot do without. */
  readonly required?: Fields;
  readonly kind: Kind;
  /** What nothing is started for. */
  readonly isCheap?: boolean;
}

const places: Readonly<Record<string, Place>> = {
  "a bot": {
    call: (options) => new MeanReversionTelegramBot(options),
    options: {
      ...subscriptionsOptions,
      ...{ botToken, useDynamoDB: true, tableName: "chats", broadcastsTableName: "runs", client },
      ...{
        regionName: "us-east-1",
        allowedUsers: [1],
        authorize: () => true,
        spoolFile: "a",
        apiRoot: nowhere,
      },
    },
    required: { botToken },
    kind: ConfigError,
    isCheap: true,
  },
  "subscriptions": {
    call: subscriptions,
    options: subscriptionsOptions,
    required: { storage },
    kind: ConfigError,
    isCheap: true,
  },
  "a webhook": {
    call: (options) => webhookCallback(bot, options),
    options: { secretToken: "secret-of-a-test" },
    required: { secretToken: "secret-of-a-test" },
    kind: ConfigError,
    isCheap: true,
  },
  "signals by HTTP": {
    call: (options) => signalCallback(bot, options),
    options: {
      ...{ secret: "secret-of-a-test", map: () => undefined, maxAgeMs: 1000, broadcastId: () => "a", logger },
      clock: systemClock,
    },
    required: { secret: "secret-of-a-test" },
    kind: ConfigError,
    isCheap: true,
  },
  "TradingView's alerts": {
    call: (options) => tradingView(options),
    options: { stopPercent: 1, targetPercent: 1 },
    kind: ConfigError,
    isCheap: true,
  },
  "a storage": {
    call: (options) => new TelegramDynamoDBStorage(options).close(),
    options: { tableName: "chats", regionName: "us-east-1", client, clock: systemClock, logger },
    kind: ConfigError,
    isCheap: true,
  },
  "a storage in memory": {
    call: (options) => new InMemoryChatStorage(options),
    options: { clock: systemClock, logger },
    kind: ConfigError,
    isCheap: true,
  },
  "a ledger": {
    call: (options) => new DynamoDBLedger(options).close(),
    options: { tableName: "runs", regionName: "us-east-1", client, clock: systemClock },
    kind: ConfigError,
    isCheap: true,
  },
  "loading the chats": {
    call: (options) => storage.loadActiveChats(options),
    options: {
      signal: new AbortController().signal,
      onProgress: () => {},
      onStrikes: () => {},
      onAdder: () => {},
      onThread: () => {},
    },
    kind: TypeError,
    isCheap: true,
  },
  "creating the table": {
    call: (options) => new TelegramDynamoDBStorage({ client, logger }).createTableIfNotExists(options),
    options: { signal: new AbortController().signal, onProgress: () => {} },
    kind: TypeError,
  },
  "a start": {
    call: (options) => bot.startBot(options),
    options: { retry: true },
    kind: TypeError,
  },
  "a bot of the environment": {
    call: createTelegramBotFromEnv,
    options: { botToken, spoolFile: "a", chatsPerAdder: 1, autoRegisterChats: true },
    required: { botToken },
    kind: ConfigError,
    isCheap: true,
  },
  "a plugin's broadcast": {
    call: (options) => subscriptions({ storage }).broadcast(bot.grammy.api, "Hello", options),
    options: broadcastOptions,
    kind: TypeError,
  },
  "a broadcast": {
    call: (options) => bot.broadcast("Hello", options),
    options: broadcastOptions,
    kind: TypeError,
  },
  "a signal": {
    call: (options) => bot.sendSignal(signal, options),
    options: { ...broadcastOptions, candles, theme: "dark", bands: {} },
    kind: TypeError,
  },
  "a cleanup": {
    call: (options) => storage.cleanupInactiveChats(options),
    options: { daysThreshold: 1 },
    required: { daysThreshold: 1 },
    kind: RangeError,
    isCheap: true,
  },
  "a chart": {
    call: (options) => drawChart(signal, candles, options),
    options: { theme: "dark", bands: {} },
    kind: TypeError,
  },
  "a chart's bands": {
    call: (bands) => drawChart(signal, candles, { bands }),
    options: { bollingerPeriod: 20, bollingerDeviations: 2, vwapDeviations: 2 },
    kind: TypeError,
  },
  "a message": {
    call: (message) => bot.broadcast(message),
    options: { text: "Hello", entities: [], photo: "id" },
    required: { text: "Hello" },
    kind: TypeError,
  },
  "a Bot API server": {
    call: startBotApiServer,
    options: {
      ...{
        port: 0,
        token: botToken,
        username: "x",
        messagesPerSecond: 1,
        chatMessagesPerSecond: 1,
        chatBurst: 1,
      },
      ...{ groupMessagesPerMinute: 1, maxHoldSeconds: 1, latencyMs: 1, firstUpdateId: 1, clock: systemClock },
    },
    kind: TypeError,
  },
  "a DynamoDB": {
    call: startDynamoDB,
    options: { path: "x", port: 0, createTableMs: 0 },
    kind: TypeError,
  },
  "a gate": {
    call: startFaultGate,
    options: { target: nowhere, allow: [], port: 0, random: Math.random },
    required: { target: nowhere },
    kind: TypeError,
  },
};

/** A name with one of its letters changed to another. */
const misspelt = (name: string): fc.Arbitrary<string> =>
  fc.tuple(fc.nat(name.length - 1), fc.constantFrom(..."bcdfghjklmnpqrstvwxz"))
    .map(([at, letter]) => name.slice(0, at) + letter + name.slice(at + 1))
    .filter((changed) => changed.toLowerCase() !== name.toLowerCase());

const test = suite("unknown names");

for (const [place, { call, options, required, kind, isCheap }] of Object.entries(places)) {
  test(`${place}: each option with a letter changed is refused, and names the one that was meant`, async () => {
    const names = Object.keys(options);
    const cases = fc.constantFrom(...names).chain((name) => fc.tuple(fc.constant(name), misspelt(name)));
    await fc.assert(
      fc.asyncProperty(cases, async ([name, changed]) => {
        // Of two options that are spelt alike either may be meant.
        fc.pre(names.every((other) => other === name || distance(other, changed) > 2));
        const message = await messageOf(() => call({ ...required, [changed]: options[name] } as never), kind);
        const [sentence] = message.split("\n").filter((each) => each.includes(`${changed} is not a`));
        assert.ok(sentence?.endsWith(`: did you mean ${name}?`), message);
      }),
      { numRuns: 50 },
    );
  });

  if (isCheap) {
    test(`${place}: whatever options there are may stand together`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.subarray(Object.keys(options)), async (names) => {
          const some = Object.fromEntries(names.map((name) => [name, options[name]]));
          await call({ ...some, ...required, nonsense: undefined } as never);
        }),
        { numRuns: 50 },
      );
    });
  }
}

const refusalOf = (options: object): Promise<string> =>
  messageOf(() => new MeanReversionTelegramBot({ botToken, ...options }), ConfigError);

test("a bot's mistakes are told at once, whatever they are written like", async () => {
  assert.is(await refusalOf({ tabelName: "x" }), "tabelName is not an option: did you mean tableName?");
  const names = {
    table_name: "tableName",
    tablename: "tableName",
    token: "botToken",
    "spool-file": "spoolFile",
  };
  const given = Object.fromEntries(Object.keys(names).map((name) => [name, "x"]));
  assert.equal((await refusalOf({ ...given, useDynamoDB: "no" })).split("\n"), [
    "table_name is not an option: did you mean tableName?",
    "tablename is not an option: did you mean tableName?",
    "token is not an option: did you mean botToken?",
    "spool-file is not an option: did you mean spoolFile?",
    'useDynamoDB must be true or false: current value is "no".',
  ]);
  const withoutToken = { bot_token: botToken };
  assert.equal((await messageOf(() => new MeanReversionTelegramBot(withoutToken as never))).split("\n"), [
    "bot_token is not an option: did you mean botToken?",
    "botToken is not set: it must be the token from @BotFather: digits, a colon, then letters, digits, - and _, " +
    "without spaces or quotes.",
  ]);
});

test("where nothing is near, the options are listed; one of another place is told", async () => {
  assert.match(
    await refusalOf({ parse_mode: "HTML" }),
    /^parse_mode is not an option: there are only .*tableName.*\.$/,
  );
  assert.is(
    await refusalOf({ broadcastId: "b" }),
    "broadcastId is not an option here: it belongs to the options of sendSignal() and broadcast().",
  );
  assert.is(
    await messageOf(() => bot.broadcast("Hello", { messagesPerSecond: 5, theme: "dark" } as never)),
    "Cannot broadcast as messagesPerSecond is not an option here: it belongs to the options of the bot, or of " +
      "subscriptions()\nCannot broadcast as theme is not an option here: it belongs to the options of sendSignal()",
  );
  assert.is(
    await messageOf(() => bot.broadcast({ text: "<b>Hello</b>", parse_mode: "HTML" } as never)),
    "Cannot broadcast as parse_mode is not a part of a message: there are only text, entities, photo",
  );
});

test("names that strangers try first are refused, each with the right one or the list", async () => {
  const { stop: _stop, target: _target, ...rest } = signal;
  const { direction: _direction, ...undirected } = signal;
  const { symbol: _symbol, ...nameless } = signal;
  const refused: readonly [() => unknown, Kind, string][] = [
    [
      () => bot.broadcast("x", { broadcastID: "b" } as never),
      TypeError,
      "broadcastID .* mean broadcastId\\?",
    ],
    [
      () => bot.broadcast("x", { sendAt: 1 } as never),
      TypeError,
      "sendAt .* there are only signal, broadcastId",
    ],
    [() => bot.sendSignal(signal, { chart: true } as never), TypeError, "chart is not an option: "],
    [
      () => validateSignal({ ...rest, stopLoss: 95, takeProfit: 110 } as never),
      TypeError,
      "stopLoss is .* mean stop\\?\nCannot use the signal as takeProfit is .* mean target\\?$",
    ],
    [
      () => validateSignal({ ...rest, stop_price: 95, tp: 110 } as never),
      TypeError,
      "stop_price is .* mean stop\\?\nCannot use the signal as tp is .* mean target\\?$",
    ],
    [
      () => validateSignal({ ...undirected, side: "long" } as never),
      TypeError,
      "side is .* mean direction\\?$",
    ],
    [
      () => validateSignal({ ...nameless, pair: "BTC-USD" } as never),
      TypeError,
      "pair is .* mean symbol\\?$",
    ],
    [() => webhookCallback(bot, { secret: "x" } as never), ConfigError, "secret is .* mean secretToken\\?"],
    [
      () => webhookCallback(bot, { path: "/", secretToken: "x" } as never),
      ConfigError,
      "only secretToken\\.",
    ],
    [() => subscriptions({ storage, botToken } as never), ConfigError, "botToken is not an option here"],
    [
      () => new InMemoryChatStorage({ tableName: "x" } as never),
      ConfigError,
      "tableName .* the options of the bot",
    ],
    [() => new TelegramDynamoDBStorage({ table: "x" } as never), ConfigError, "table .* mean tableName\\?"],
    [
      () => drawChart(signal, candles, { colours: "dark" } as never),
      TypeError,
      "there are only theme, bands",
    ],
  ];
  for (const [call, kind, words] of refused) {
    assert.match(await messageOf(call, kind), new RegExp(words, "s"));
  }
  validateSignal({ ...signal, stopLoss: 95, takeProfit: 110, side: "buy" } as never);
});

test("options that are no object are refused", async () => {
  const { TELEGRAM_WEBHOOK_SECRET: before } = process.env;
  process.env["TELEGRAM_WEBHOOK_SECRET"] = "fine-and-long-enough";
  try {
    const constructors: readonly [(options: never) => unknown, string][] = [
      ...[TelegramDynamoDBStorage, DynamoDBLedger].map((Class) =>
        [(options: never) => new Class(options), "tableName"] as [(options: never) => unknown, string]
      ),
      [(options) => new InMemoryChatStorage(options), "clock"],
      [(options) => webhookCallback(bot, options), "secretToken"],
    ];
    for (const [call, example] of constructors) {
      assert.is(
        await messageOf(() => call("chats" as never), ConfigError),
        `The options must be an object such as { ${example} }: current value is "chats".`,
      );
    }
    assert.match(await messageOf(() => new TelegramDynamoDBStorage(null as never), ConfigError), "is null.");
  } finally {
    if (before === undefined) delete process.env["TELEGRAM_WEBHOOK_SECRET"];
    else process.env["TELEGRAM_WEBHOOK_SECRET"] = before;
  }
  const refused: readonly [() => unknown, string][] = [
    [
      () => drawChart(signal, candles, "dark" as never),
      "draw the chart as the options must be an object: current",
    ],
    [
      () => bot.startBot(true as never),
      "start the bot as the options must be an object: current value is true",
    ],
    [
      () => bot.startBot({ retry: "yes" } as never),
      'start the bot as "retry" must be true or false: current',
    ],
    [
      () => storage.loadActiveChats("all" as never),
      "load the chats as the options must be an object: current",
    ],
  ];
  for (const [call, words] of refused) assert.match(await messageOf(call, TypeError), `Cannot ${words}`);
});

test("no secret is shown that stands where a name is meant", async () => {
  const long = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
  const message = await refusalOf({ [botToken]: true, [long]: true, "1:AAaaaaaaaaaaaaaaaaaaaa": true });
  assert.match(message, /^A name of 34 characters, which is not shown, is not an option: there are only /);
  assert.match(message, '"<token>" is not an option');
  assert.not.match(message, /AA|wJalr/);
  for (
    const call of [
      () => new MeanReversionTelegramBot(botToken as never),
      () => subscriptions(botToken as never),
    ]
  ) {
    assert.not.match(await messageOf(call, ConfigError), "AAsecret");
  }
});

test("an object of a class may have more, what it inherits does not count, nor a symbol", () => {
  class Options {
    readonly _tableName = "chats";
    readonly anything = 1;
    readonly useDynamoDB = false;
    get botToken(): string {
      return botToken;
    }
    get tableName(): string {
      return this._tableName;
    }
  }
  assert.is(new MeanReversionTelegramBot(new Options()).grammy.token, botToken);
  class Careless extends Options {
    readonly regionNmae = "us-east-1";
  }
  assert.throws(
    () => new MeanReversionTelegramBot(new Careless()),
    /^regionNmae is not an option: did you mean/,
  );
  const inherited: object = Object.create({ tabelName: "x" }, { hidden: { value: 1 } });
  const options = Object.assign(inherited, { botToken, [Symbol("x")]: 1 });
  assert.is(new MeanReversionTelegramBot(options).grammy.token, botToken);
  const bare = Object.assign(Object.create(null), { botToken, tabelName: "x" });
  assert.throws(() => new MeanReversionTelegramBot(bare), /^tabelName is not an option/);
});

test("a storage that extends ours may have options of its own", () => {
  class Own extends InMemoryChatStorage {
    constructor(options: { readonly colour?: string; readonly loger?: Logs }) {
      super(options as object);
    }
  }
  new Own({ colour: "red" });
  assert.throws(() => new Own({ loger: logger }), /^loger is not an option: did you mean logger\?$/);
});

test("a broadcast with a name that is none goes to nobody", async () => {
  await withBot(async ({ bot, server, settled }) => {
    server.user().say("/start");
    await settled();
    const sent = server.countCalls("sendMessage");
    const calls = [
      () => bot.broadcast("Hello", { expireAt: new Date() } as never),
      () => bot.broadcast({ text: "Hello", foto: "id" } as never),
      () => bot.sendSignal(signal, { brodcastId: "b" } as never),
      () => bot.sendSignal({ ...signal, tikSize: 0.5 } as never),
    ];
    const named = ["expiresAt", "photo", "broadcastId", "tickSize"];
    for (const [index, call] of calls.entries()) {
      assert.match(await messageOf(call, TypeError), `did you mean ${named[index]}?`);
    }
    await settled();
    assert.is(server.countCalls("sendMessage"), sent);
  });
});

test("a signal's facts are refused where they are misspelt, and the strategy's own are not", () => {
  for (
    const [name, meant] of [
      ...[["tagret", "target"], ["tick_size", "tickSize"], ["currancy", "currency"], ["szie", "size"]],
      ...[["notes", "note"], ["timeFrame", "timeframe"], ["stratgey", "strategy"], [
        "parameter",
        "parameters",
      ]],
    ] as [string, keyof typeof signal][]
  ) {
    const { [meant]: _left, ...rest } = signal;
    assert.throws(
      () => validateSignal({ ...rest, [name]: "1" } as never),
      new RegExp(`^Cannot use the signal as ${name} is not a fact of a signal: did you mean ${meant}\\?$`),
    );
  }
  const own = {
    side: "buy",
    rsi: 31,
    spot: 100,
    atr: 2,
    type: "x",
    name: "x",
    id: 7,
    zScore: -2,
    strategyId: 1,
  };
  validateSignal({ ...signal, ...own } as never);
  validateSignal({ ...signal, targets: [110, 120], stops: [95] } as never);
  class Found {
    readonly direction = "long";
    readonly symbol = "BTC-USD";
    readonly entry = 100;
    readonly target = 110;
    readonly _stop = 95;
    readonly _size = 1;
    get stop(): number {
      return this._stop;
    }
    get size(): number {
      return this._size;
    }
  }
  validateSignal(new Found());
});

test("formatting libraries' messages may have fields behind their getters", async () => {
  class Formatted {
    readonly rawText = "Hello";
    readonly _entities = [];
    get text(): string {
      return this.rawText;
    }
    get entities(): [] {
      return this._entities as never;
    }
  }
  await using sender = new MeanReversionTelegramBot({
    botToken,
    apiRoot: nowhere,
    useDynamoDB: false,
    logger,
  });
  const run = sender.broadcast(new Formatted(), { signal: AbortSignal.timeout(1) });
  assert.not.match(await messageOf(() => run), "Cannot broadcast");
});

test("the test kit takes every form of a fault's answer", async () => {
  await using server = await startBotApiServer();
  const answers: readonly BotApiFaultAnswer[] = [
    ...(["cut", "half-open", "hang", "lose", "reset", "stale"] as const),
    { error_code: 429, description: "x", parameters: { retry_after: 1, migrate_to_chat_id: -1 } },
    { result: true },
    { delayMs: 1 },
    { slowBodyMs: 1 },
    { page: 502 },
    { redirect: 302, location: "/" },
    { body: "x", status: 200, contentType: "text/plain", headers: { "x-own": "1" }, isTorn: true },
  ];
  for (const answer of answers) server.fault({ method: "getMe", chatId: 1, times: 1, answer }).clear();
});

test("the test kit refuses misspelt options of chats and faults", async () => {
  await using server = await startBotApiServer();
  await using gate = await startFaultGate({ target: nowhere });
  const user = server.user();
  const group = server.group({ title: "x" });
  const mistakes: readonly [() => unknown, string][] = [
    [() => server.user({ firstname: "Ada" } as never), "add the person as firstname .* mean first_name"],
    [
      () => server.group({ title: "x", admins: [] } as never),
      "add the group as admins .* there are only title",
    ],
    [() => server.forum({ title: "x", kind: "group" } as never), "add the forum as kind"],
    [() => server.channel({ title: "x", membres: [] } as never), "add the channel as membres"],
    [() => group.removeBot(user, { like: "left" } as never), "remove the bot as like"],
    [() => server.flood(1, { lengthenSecs: 1 } as never), "start the flood as lengthenSecs"],
    [() => server.fault({ answer: "hang", chat_id: 1 } as never), "set a fault as chat_id .* mean chatId"],
    [() => server.fault({ answer: { error: 1 } } as never), "set a fault as error .* mean error_code"],
    [() => server.fault({ answer: { slowBody: 1 } } as never), "set a fault as slowBody .* mean slowBodyMs"],
    [() => server.fault({ answer: { pages: 502 } } as never), "set a fault as pages .* mean page"],
    [() => server.fault({ answer: { results: true } } as never), "set a fault as results .* mean result"],
    [
      () => server.fault({ answer: { redirect: 302, locaton: "/" } } as never),
      "set a fault as locaton .* mean location",
    ],
    [
      () => server.fault({ answer: { body: "", header: {} } } as never),
      "set a fault as header .* mean headers",
    ],
    [
      () =>
        server.fault({
          answer: { error_code: 429, description: "x", parameters: { retryAfter: 1 } as never },
        }),
      "set a fault as retryAfter .* mean retry_after",
    ],
    [() => gate.hang({ acton: "Scan" } as never), "set a fault as acton .* mean action"],
    [() => gate.throttle({ time: 1 } as never), "set a fault as time .* mean times"],
    [
      () => gate.fail({ status: 1, type: "x", massage: "x" } as never),
      "set a fault as massage .* mean message",
    ],
    [() => gate.delay({ mss: 1, ms: 1 } as never), "set a fault as mss .* mean ms"],
    [
      () => startFaultGate({ target: nowhere, allow: { actions: [], tabel: "x" } as never }),
      "start the gate as tabel is not a name in allow: did you mean table",
    ],
  ];
  for (const [call, message] of mistakes) {
    assert.match(await messageOf(call, TypeError), new RegExp(`^Cannot ${message}`));
  }
});

test("what an operator says of a chat has no misspelt names; names of other programs are kept", async () => {
  const storage = new InMemoryChatStorage();
  for (
    const [name, meant] of [["userName", "username"], ["fist_name", "first_name"], ["userId", "user_id"]]
  ) {
    assert.is(
      await messageOf(() => storage.saveChat(5, { [name as string]: "x" }), TypeError),
      `Cannot save the chat as ${name} is not a name in userInfo: did you mean ${meant}?`,
    );
  }
  await storage.saveChat(5, { username: "ada", language_code: "de", is_premium: true, added_from: "web" });
});

const fails = (): never => {
  throw new Error("not this one");
};
/** Values that fail, or lie, when they are looked at. */
const unshowable: Readonly<Record<string, unknown>> = {
  "a date that is none": Object.create(Date.prototype),
  "bytes that are none": Object.create(Uint8Array.prototype),
  "a class whose name is a symbol": { constructor: { name: Symbol("x") } },
  "a class whose name fails": Object.defineProperty({}, "constructor", { get: fails }),
  "a class whose name is a token": { constructor: { name: botToken } },
  "a class whose name moves the cursor": { constructor: { name: "\u001b[2J\u202e" } },
  "a function without a text": Object.assign(() => {}, { toString: null }),
  "no text": { toString: null, valueOf: null },
  "what the terminal would obey": "\u009b31m\u202e",
};

for (const [what, value] of Object.entries(unshowable)) {
  test(`${what} is refused like anything else`, async () => {
    const calls: readonly (readonly [string, () => unknown])[] = [
      ["tableName", () => new TelegramDynamoDBStorage({ tableName: value as never })],
      ["tableName", () => new DynamoDBLedger({ tableName: value as never })],
      ["clock", () => new InMemoryChatStorage({ clock: value as never })],
      ["chatsPerAdder", () => subscriptions({ storage, chatsPerAdder: value as never })],
      ["risk", () => validateSignal({ ...signal, risk: value as never })],
      ["time", () => validateSignal({ ...signal, time: value as never })],
      ["expiresAt", () => bot.broadcast("x", { expiresAt: value as never })],
      ["priority", () => bot.broadcast("x", { priority: value as never })],
    ];
    for (const [name, call] of calls) {
      const message = await messageOf(call);
      assert.match(message, new RegExp(`\\b${name}"? must be `));
      // deno-lint-ignore no-control-regex -- they are what is looked for
      assert.not.match(message, /AAsecret|[\u0000-\u0009\u007f-\u009f\u202a-\u202e]/);
    }
  });
}

test("a message or a signal that cannot be read is refused, and its error is not the user's", async () => {
  const fails = {
    get: (): never => {
      throw new Error("boom");
    },
    enumerable: true,
  };
  for (const name of ["text", "photo", "entities"]) {
    const message = Object.defineProperty({ text: "x" }, name, { ...fails, configurable: true });
    assert.is(
      (await failureOf(bot.broadcast(message))).message,
      `Cannot broadcast as the message cannot be read: its ${name} fails`,
    );
  }
  const broken = Object.defineProperty({ ...signal }, "stop", fails);
  assert.is(
    (await failureOf(bot.sendSignal(broken))).message,
    "Cannot use the signal as it cannot be read: its stop fails",
  );
});

test("a name in userInfo that is a token is not shown", async () => {
  const message = await messageOf(
    () => storage.saveChat(5, { "1:AAaaaaaaaaaaaaaaaaaaaa": {} as never }),
    TypeError,
  );
  assert.match(message, /^Cannot save the chat as "userInfo\."<token>"" must be a text/);
});

test("a cleanup says what it needs", async () => {
  for (
    const [options, words] of [
      [undefined, "the options must be an object such as { daysThreshold: 30 }: current value is undefined"],
      [30, "the options must be an object such as { daysThreshold: 30 }: current value is 30"],
      [{}, '"daysThreshold" must be a finite number above 0: current value is undefined'],
      [{ daysThreshold: "30" }, '"daysThreshold" must be a finite number above 0: current value is "30"'],
    ] as const
  ) {
    const message = await messageOf(() => storage.cleanupInactiveChats(options as never), RangeError);
    assert.is(message, `Cannot clean up as ${words}`);
  }
});

test("the test kit refuses a token, and people, that are none", async () => {
  const message = await messageOf(() => startBotApiServer({ token: "no-token" }), TypeError);
  assert.match(message, /^Cannot start the server as "token" must be digits, a colon, .* such as "123:abc"/);
  assert.not.match(message, "no-token");
  await using server = await startBotApiServer();
  const mistakes: readonly [() => unknown, string][] = [
    [
      () => server.group({ title: "x", administrators: ["Ada"] as never }),
      'group as "administrators" must be a list of people, as server.user() gives them: at index 0 it is "Ada"',
    ],
    [
      () => server.forum({ title: "x", members: "Ada" as never }),
      'forum as "members" must be a list of people',
    ],
    [() => server.channel({} as never), 'channel as "title" must be a text'],
    [() => server.group(undefined as never), 'group as "title" must be a text'],
    [
      () => server.group({ title: "x", kind: "supergruop" as never }),
      'current value is "supergruop" (did you mean "supergroup"?)',
    ],
    [() => server.channel({ title: "x", bot: "member" as never }), '"bot" must be "administrator" or "left"'],
  ];
  for (const [call, words] of mistakes) {
    const refusal = await messageOf(call, TypeError);
    assert.ok(refusal.startsWith("Cannot add the ") && refusal.includes(words), refusal);
  }
});

test.run();
