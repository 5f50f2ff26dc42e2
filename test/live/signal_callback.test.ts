/** Signals by HTTP: who is let in, what is sent, how often, and what the sender is answered. */
import {
  signalCallback,
  type SignalCallbackOptions,
  type SignalPublisher,
  type WebhookCallback,
} from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import {
  deadAddress,
  FastClock,
  Logs,
  pause,
  said,
  type Scene,
  type SceneOptions,
  subscribers,
  until,
  withBot,
  withBotOverHttp,
} from "../support/bot.ts";
import { type Kind, kinds, serve, type WebhookServer } from "../support/webhook_servers.ts";

const secret = "s3cret-of-the-tests/+=~";
const signal = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 };
const long = "🟢 LONG BTC-USD";
const made: SceneOptions = { state: "made", hasLedger: true };

interface Answered {
  readonly status: number;
  readonly accepted: boolean;
  readonly id?: string;
  readonly repeated?: boolean;
  readonly differs?: boolean;
  readonly error?: string;
  readonly headers: Headers;
}

interface Posted {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const known = { Authorization: `Bearer ${secret}` };

/** A body that is no text is sent as JSON. */
async function post(
  { url }: WebhookServer,
  body: unknown,
  { method = "POST", headers = known }: Posted = {},
): Promise<Answered> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url, {
    ...{ method, headers: { "Content-Type": "application/json", ...headers } },
    ...method === "GET" ? {} : { body: text },
  });
  const answer = await response.text();
  assert.not.ok(answer.includes(secret), "the secret is shown");
  return {
    status: response.status,
    headers: response.headers,
    ...JSON.parse(answer) as Omit<Answered, "status" | "headers">,
  };
}

type Options = Partial<SignalCallbackOptions>;

/** Its answers wait twenty times as long, so that a slow machine changes none. */
function callbackOf({ logs: logger }: Scene, bot: SignalPublisher, options: Options = {}): WebhookCallback {
  return signalCallback(bot, { secret, logger, clock: new FastClock(0.05), ...options });
}

/** A bot with one subscriber, Ada, behind a server of the kind. */
async function withCallback(
  kind: Kind,
  body: (scene: Scene & { readonly web: WebhookServer; readonly ada: () => string[] }) => Promise<void>,
  options: Options = {},
): Promise<void> {
  await withBotOverHttp(async (scene) => {
    const [ada] = await subscribers(scene, 1);
    await using web = await serve(
      kind,
      callbackOf(scene, scene.bot, options),
    );
    await body({ ...scene, web, ada: () => said(ada as never) });
    assert.equal(web.errors, []);
    assert.not.ok(scene.logs.text.includes(secret), "the secret is logged");
  }, made);
}

const test = suite("signalCallback()", {}, 60_000);

for (const kind of kinds) {
  test(`${kind}: a signal is sent, and 200 says that the ledger has it`, () =>
    withCallback(kind, async ({ web, ada, bot }) => {
      await bot.initialize();
      await bot.broadcast("creates the ledger", { broadcastId: "first" });
      const { status, accepted, id, repeated } = await post(web, { ...signal, id: "first signal" });
      assert.equal([status, accepted, id, repeated], [200, true, "first signal", undefined]);
      await until(() => ada().length === 2, "not sent");
      assert.equal(ada(), ["creates the ledger", long]);
      const again = await post(web, { ...signal, id: "first signal" });
      assert.equal([again.status, again.repeated, again.differs], [200, true, undefined]);
      const other = await post(web, { ...signal, target: signal.target + 1, id: "first signal" });
      assert.equal([other.status, other.repeated, other.differs], [200, true, true]);
      assert.is(ada().length, 2);
    }));

  test(`${kind}: 401 without the secret or with any other, and nothing is sent`, () =>
    withCallback(kind, async ({ web, ada }) => {
      const wrong: readonly Record<string, string>[] = [
        { Authorization: `Bearer ${secret}x` },
        { Authorization: secret },
        { "X-Signal-Secret": secret.slice(1) },
        {},
      ];
      for (const headers of wrong) {
        assert.is((await post(web, signal, { headers })).status, 401, JSON.stringify(headers));
        assert.is((await post(web, { ...signal, secret: "x".repeat(20) }, { headers })).status, 401);
      }
      for (const other of [null, 5, [secret], { secret }, ""]) {
        assert.is((await post(web, { ...signal, secret: other }, { headers: {} })).status, 401);
      }
      assert.is(
        (await post(web, { ...signal, secret }, { headers: { "X-Signal-Secret": "wrong" } })).status,
        401,
      );
      assert.equal(ada(), []);
    }));

  test(`${kind}: the secret comes in a header or in the body, and is not passed on`, () =>
    withCallback(kind, async ({ web, ada, server }) => {
      const ways: readonly [unknown, Record<string, string>][] = [
        [{ text: "1", id: "1" }, { "X-Signal-Secret": secret }],
        [{ text: "2", id: "2", secret }, {}],
        [{ text: "3", id: "3", secret: "of another" }, { Authorization: `bearer ${secret}` }],
      ];
      for (const [body, headers] of ways) assert.equal((await post(web, body, { headers })).accepted, true);
      await until(() => ada().length === 3, "not sent");
      assert.not.match(JSON.stringify(server.calls), "secret");
    }));

  test(`${kind}: 405, 413 and 415`, () =>
    withCallback(kind, async ({ web, ada }) => {
      const get = await post(web, "", { method: "GET" });
      assert.equal([get.status, get.headers.get("allow")], [405, "POST"]);
      const sized = (bytes: number): string => `{"text":"${"x".repeat(bytes - 11)}"}`;
      assert.is((await post(web, sized(65_536))).status, 400, "it is read: the text is too long");
      assert.is((await post(web, sized(65_537))).status, 413);
      if (kind !== "Express") {
        const form = { "Content-Type": "application/x-www-form-urlencoded" };
        for (const headers of [form, { "Content-Encoding": "gzip" }]) {
          assert.is((await post(web, signal, { headers: { ...known, ...headers } })).status, 415);
        }
      }
      assert.equal(ada(), []);
    }));
}

/** Bodies that are none, and what the answer says. */
const wrong: readonly [unknown, RegExp][] = [
  ["", /must be JSON: it is empty/],
  ["direction=long", /must be JSON/],
  ['{"direction":"long",', /must be JSON/],
  ["[]", /must be an object/],
  ["5", /must be an object/],
  ["null", /must be an object/],
  [{}, /"direction" must be "long" or "short"/],
  [{ ...signal, stop: 70_000 }, /"stop" must be below "entry"/],
  [{ ...signal, entry: "1e5" }, /"entry" must be a finite number/],
  [{ ...signal, ticker: "X", symbol: undefined }, /mean symbol\?/],
  [{ ...signal, symbol: "BTC\nUSD" }, /"symbol" must be a text of one line/],
  [{ ...signal, symbol: "BTC\u001b[2J" }, /control characters/],
  [{ ...signal, note: "a\u0000b" }, /"note" must have no control characters/],
  [`{"text":"\\ud800"}`, /halves of characters/],
  [`{"text":"x","__proto__":{"a":1}}`, /no field __proto__/],
  [`{"text":"x","parameters":{"constructor":1}}`, /no field constructor/],
  [`${'{"a":'.repeat(2000)}1${"}".repeat(2000)}`, /8 levels deep/],
  [{ text: "" }, /"text" must have 1 to/],
  [{ text: "x", photos: "y" }, /photos is not a part/],
  [{ ...signal, id: "a\nb" }, /"id" must be a text of 1 to 128/],
  [{ ...signal, id: "x".repeat(129) }, /"id" must be/],
  [{ ...signal, id: {} }, /"id" must be/],
  [{ ...signal, time: "yesterday" }, /"time" must be/],
  [
    { ...signal, time: 1764079500 },
    /"time" must be .* value is 1764079500, which looks like seconds \(did you mean "2025-11-25T14:05:00.000Z"\?\)$/,
  ],
  [{ ...signal, time: "1764079500.5" }, /looks like seconds \(did you mean "2025-11-25T14:05:00.500Z"\?\)$/],
  [
    { ...signal, time: 1764079500000 },
    /value is 1764079500000 \(did you mean "2025-11-25T14:05:00.000Z"\?\)$/,
  ],
  [{ ...signal, time: 1764079500000000 }, /which looks like microseconds, or finer$/],
  [{ ...signal, time: 5 }, /"time" must be .* value is 5$/],
  [{ ...signal, time: "2020-01-01T00:00:00Z" }, /"time" must not be too old/],
  [{ ...signal, time: "2099-01-01T00:00:00Z" }, /"time" must not lie in the future/],
];

test("400 says what is wrong, and nothing is sent", () =>
  withCallback("Node", async ({ web, ada, logs }) => {
    for (const [body, words] of wrong) {
      const { status, accepted, error = "" } = await post(web, body);
      assert.equal([status, accepted], [400, false], JSON.stringify(body).slice(0, 100));
      assert.match(error, words);
    }
    assert.equal(ada(), []);
    assert.ok(logs.of("warn", "refused with 400").length > 0);
    assert.is(({} as Record<string, unknown>)["a"], undefined);
  }));

test("what is wrong is said without the secret, wherever that is", () =>
  withCallback("Node", async ({ web }) => {
    const bodies = [
      `{"secret":"${secret}","direction":"long",`,
      { ...signal, symbol: "", note: secret },
      { ...signal, direction: secret },
      { ...signal, [secret]: 1, direction: "up" },
      { ...signal, entry: secret },
    ];
    for (const body of bodies) assert.is((await post(web, body)).status, 400);
  }));

test("one alert a hundred times, at once and later, through two processes, is one broadcast", () =>
  withCallback("Node", async (scene) => {
    const { web, ada, another, bot } = scene;
    await bot.initialize();
    const other = another();
    await other.initialize();
    await using second = await serve("Node", callbackOf(scene, other));
    for (
      const body of [{ ...signal, time: new Date().toISOString() }, signal, { text: "BTC crosses 60000" }]
    ) {
      const before = ada().length;
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => post(i % 2 === 0 ? web : second, body)),
      );
      answers.push(await post(web, body), await post(second, body));
      assert.ok(answers.every(({ accepted }) => accepted));
      assert.ok(answers.filter(({ repeated }) => repeated !== true).length <= 2);
      assert.is(new Set(answers.map(({ id }) => id)).size, 1);
      await until(() => ada().length > before, "not sent");
      assert.is(ada().length, before + 1);
    }
    const fields = Object.entries({ ...signal, entry: 67_251 });
    assert.is((await post(web, Object.fromEntries(fields))).repeated, undefined, "another signal");
    assert.is(
      (await post(second, Object.fromEntries(fields.reverse()))).repeated,
      true,
      "the same, reversed",
    );
    await until(() => ada().length === 4, "not sent");
  }));

test("map makes a signal of any shape, and undefined sends nothing; broadcastId names it", () =>
  withCallback("Node", async ({ web, ada }) => {
    const text = { "Content-Type": "text/plain", ...known };
    assert.equal((await post(web, "LONG", { headers: text })).id, "my LONG");
    const nothing = await post(web, "nothing", { headers: text });
    assert.equal([nothing.status, nothing.accepted], [200, false]);
    const failing = await post(web, "FAIL", { headers: text });
    assert.equal([failing.status, failing.error], [400, "Cannot use FAIL"]);
    assert.is((await post(web, "LEAK", { headers: text })).status, 400);
    assert.is((await post(web, "THROW", { headers: text })).status, 503);
    await until(() => ada().length === 1, "not sent");
  }, {
    map(body) {
      if (body === "FAIL") throw new RangeError("Cannot use FAIL");
      if (body === "LEAK") throw new RangeError(`Cannot use ${secret}`);
      if (body === "THROW") throw new Error("a secret of the program's");
      return body === "LONG" ? signal as never : undefined;
    },
    broadcastId: (body) => `my ${body}`,
  }));

test("while DynamoDB is down it answers 202 within a second or two, and the signal is out", () =>
  withCallback("Node", async ({ web, ada, bot, gate }) => {
    await bot.initialize();
    gate.fail({ status: 500, type: "InternalServerError", message: "away" });
    const since = performance.now();
    const { status, accepted } = await post(web, { ...signal, id: "in the outage" });
    assert.equal([status, accepted], [202, true]);
    assert.ok(performance.now() - since < 3000, `${performance.now() - since} ms`);
    await until(() => ada().length === 1, "not sent");
  }));

test("while Telegram cannot be reached a server tries on, and a Lambda asks to send it again", async () => {
  await withBotOverHttp(async (scene) => {
    const logs = new Logs();
    const bot = scene.another({ apiRoot: await deadAddress() });
    const callback = signalCallback(bot, { secret, logger: logs, maxAgeMs: 2000 });
    await using web = await serve("Lambda, HTTP API", signalCallback(bot, { secret, logger: logs }));
    const refused = await post(web, { ...signal, id: "a" });
    assert.equal([refused.status, refused.accepted, refused.headers.get("retry-after")], [503, false, "5"]);
    assert.ok(!refused.error?.includes("127.0.0.1"), "nothing of why");
    await using server = await serve("Node", callback);
    const tried = await post(server, { ...signal, id: "b" });
    assert.equal([tried.status, tried.accepted], [202, true]);
    await until(() => logs.of("error", "Not sent").length === 2, "it is not given up");
  }, made);
});

test("a bot that was stopped is 503", () =>
  withCallback("Node", async ({ web, bot }) => {
    await bot.stopBot();
    assert.is((await post(web, signal)).status, 503);
  }));

test("Lambda: everybody has the signal when it is answered", () =>
  withCallback("Lambda, REST API", async ({ web, ada }) => {
    assert.is((await post(web, { ...signal, id: "a" })).status, 200);
    assert.equal(ada(), [long]);
    assert.equal([(await post(web, { ...signal, id: "a" })).repeated, ada().length], [true, 1]);
  }));

/** Hands the request over without a server, for virtual time. */
async function hand(callback: WebhookCallback, body: unknown): Promise<Omit<Answered, "headers">> {
  const request = new Request("http://signals.test/", {
    method: "POST",
    headers: known,
    body: JSON.stringify(body),
  });
  const response = await callback(request);
  return { status: response.status, ...await response.json() as Omit<Answered, "headers" | "status"> };
}

const minuteMs = 60_000;

test("an alert without a time that comes for 14 minutes, at two processes, is one; after 15 it is another", async () => {
  await withBot(async (scene) => {
    const [ada] = await subscribers(scene, 1);
    const callbacks = [scene.bot, scene.another()].map((bot) =>
      signalCallback(bot, { secret, logger: scene.logs })
    );
    // So that the time for which its id is unique begins anew on the way.
    await pause(16 * minuteMs - Date.now() % (15 * minuteMs) + 4 * minuteMs);
    for (let minute = 0; minute < 15; minute += 2) {
      for (const callback of callbacks) {
        const { accepted, repeated } = await hand(callback, { text: "BTC crosses 60000" });
        assert.ok(accepted && (minute === 0 || repeated === true), `at minute ${minute}`);
      }
      await pause(2 * minuteMs - 1000);
    }
    assert.equal(said(ada as never), ["BTC crosses 60000"]);
    for (const callback of callbacks) await hand(callback, { text: "BTC crosses 60000" });
    await pause(minuteMs);
    assert.equal(said(ada as never), ["BTC crosses 60000", "BTC crosses 60000"]);
  }, made);
});

test("while Telegram is away it answers 202 after 0.8 s, and the signal goes out when it is back", async () => {
  await withBot(async (scene) => {
    const { bot, server, logs } = scene;
    const [ada] = await subscribers(scene, 1);
    const fault = server.fault({
      method: "getMe",
      times: 1000,
      answer: { error_code: 502, description: "Bad Gateway" },
    });
    const callback = signalCallback(bot, { secret, logger: logs });
    const since = Date.now();
    const answer = await hand(callback, { ...signal, id: "a" });
    assert.equal([answer.status, answer.accepted, Date.now() - since], [202, true, 800]);
    assert.is((await hand(callback, { ...signal, id: "a" })).repeated, true);
    await pause(minuteMs);
    assert.equal(said(ada as never), []);
    fault.clear();
    await pause(minuteMs);
    assert.equal(said(ada as never), [long]);
    assert.is(scene.logs.of("warn", "The signal is sent as soon as it can.").length, 1, "said once");
    assert.equal(logs.of("error"), []);
    assert.is((await hand(callback, { ...signal, id: "a" })).status, 200);
  }, made);
});

test.run();
