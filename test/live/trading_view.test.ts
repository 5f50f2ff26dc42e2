/** TradingView's alerts: what becomes of a message, and that one comes once. */
import {
  ConfigError,
  signalCallback,
  type TradingSignal,
  tradingView,
  tradingViewMessage,
  type TradingViewOptions,
} from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { said, subscribers, until, withBotOverHttp } from "../support/bot.ts";
import { failureOf } from "../support/storage.ts";
import { serve } from "../support/webhook_servers.ts";

type Values = Readonly<Record<string, string>>;

const values: Values = {
  ...{ "ticker": "BTCUSD", "interval": "5", "close": "67250.5" },
  ...{ "strategy.order.action": "buy", "strategy.market_position": "long" },
  ...{ "time": "2026-11-25T14:00:00Z", "timenow": "2026-11-25T14:04:59Z" },
};

/** As TradingView fills it in; what it does not know stays. */
function filled(more: Values = {}, template: string = tradingViewMessage): string {
  const all: Values = { ...values, ...more };
  return template.replace(/\{\{([\w.]+)\}\}/g, (placeholder, name: string) => all[name] ?? placeholder);
}

const percents: TradingViewOptions = { stopPercent: 1, targetPercent: 2 };

async function signalOf(fields: unknown, options: TradingViewOptions = percents): Promise<TradingSignal> {
  return await Promise.resolve(fields).then(tradingView(options).map) as TradingSignal;
}

const fields = (more: Values = {}): Record<string, unknown> => {
  const { secret: _secret, ...rest } = JSON.parse(filled(more)) as Record<string, unknown>;
  return rest;
};

const test = suite("tradingView()");

test("the message becomes a signal, with stop and target as far away as the options say", async () => {
  assert.equal(await signalOf(fields()), {
    ...{ direction: "long", symbol: "BTCUSD", entry: "67250.5", stop: 66578, target: 68595.5 },
    ...{ timeframe: "5m", strategy: "My strategy", time: "2026-11-25T14:04:59Z" },
  });
  const short = { "strategy.order.action": "sell", "strategy.market_position": "short" };
  const { direction, stop, target } = await signalOf(fields({ ...short, close: "1.0850" }));
  assert.equal([direction, stop, target], ["short", 1.09585, 1.0633]);
  const cheap = await signalOf(fields({ close: "0.00001234" }));
  assert.equal([cheap.stop, cheap.target], [0.0000122166, 0.0000125868]);
});

test("stop and target of the message come first, as numbers or texts", async () => {
  const { stop, target } = await signalOf({ ...fields(), stop: "66980.0", target: 67_800 });
  assert.equal([stop, target], ["66980.0", 67_800]);
});

test("intervals become timeframes", async () => {
  const intervals: readonly (readonly [string, string | undefined])[] = [
    ...[["1", "1m"], ["45", "45m"], ["60", "1h"], ["240", "4h"], ["1440", "1d"]] as const,
    ...[["D", "1d"], ["1D", "1d"], ["W", "1w"], ["3M", "3M"], ["30S", "30s"], ["100R", "100R"]] as const,
  ];
  for (const [interval, timeframe] of intervals) {
    assert.is((await signalOf(fields({ interval }))).timeframe, timeframe, interval);
  }
  assert.is((await signalOf({ ...fields(), interval: 15 })).timeframe, "15m");
});

test("an order that closes a position, or a part of it, is no signal", async () => {
  const order = (action: string, position: string): unknown =>
    tradingView(percents).map(
      fields({ "strategy.order.action": action, "strategy.market_position": position }),
    );
  assert.is(await order("sell", "flat"), undefined);
  assert.is(await order("sell", "long"), undefined);
  assert.is(await order("buy", "short"), undefined);
  assert.is((await order("sell", "short") as TradingSignal).direction, "short");
  const { position: _position, ...indicator } = fields();
  assert.is((await signalOf({ ...indicator, action: "SELL" })).direction, "short");
});

test("a text goes out as it is", async () => {
  assert.equal(await tradingView().map({ text: "BTCUSD crosses 60000" }), { text: "BTCUSD crosses 60000" });
});

test("what is missing or wrong is named, with the fix", async () => {
  const wrong: readonly [unknown, RegExp][] = [
    ["BTCUSD crosses 60000", /must be JSON, as tradingViewMessage is/],
    [[], /must be JSON/],
    [
      fields({ "strategy.order.action": "{{strategy.order.action}}" }),
      /"action" must be filled in by TradingView, .* alerts of strategies alone: .* write "buy" or "sell": current value is "\{\{str/,
    ],
    [
      fields({ "strategy.market_position": "{{strategy.market_position}}" }),
      /"position" must be filled in .* alerts of strategies alone: .* leave it out: current/,
    ],
    [
      fields({ close: "{{close}}" }),
      /"price" must be filled in by TradingView, which knows \{\{close\}\} in an alert's message; .* write a price such as 67250\.5: current value is "\{\{close\}\}"$/,
    ],
    [fields({ timenow: "{{now}}" }), /"timenow" must be .* knows \{\{timenow\}\} .* write a time such as/],
    [{ ...fields(), stop: "{{plot_x}}" }, /"stop" must be .* knows plots such as \{\{plot_0\}\}/],
    [{ ...fields(), constructor: "{{x}}" }, /"constructor" must be .* not know this placeholder: correct it/],
    [fields({ "strategy.order.action": "exit" }), /"action" must be "buy", "sell"/],
    [fields({ close: "NaN" }), /"price" must be a price/],
    [{ ...fields(), price: undefined }, /"price" must be a price/],
    [{ ...fields(), stop: "null" }, /"stop" must be a price/],
    [fields({ ticker: "" }), /"ticker" must be a symbol/],
  ];
  for (const [body, words] of wrong) {
    const error = await failureOf(signalOf(body));
    assert.instance(error, TypeError);
    assert.match(error.message, words);
  }
  const { message } = await failureOf(signalOf(fields(), { stopPercent: 1 }));
  assert.match(message, /no "target": put one into the message, or give tradingView\(\{ targetPercent \}\)/);
  for (const options of [{ stopPercent: 0 }, { stopPercent: 100 }, { targetPercent: "2" }, { stop: 1 }]) {
    assert.throws(() => tradingView(options as never), (error: unknown) => error instanceof ConfigError);
  }
});

test("all alerts of a bar are one; another bar, direction or strategy is another", () => {
  const { broadcastId } = tradingView(percents);
  const id = broadcastId(fields());
  assert.is(id, "TradingView My strategy BTCUSD 5m long 2026-11-25T14:00:00Z");
  assert.is(broadcastId(fields({ close: "67251", timenow: "2026-11-25T14:04:50Z" })), id);
  const others = [
    fields({ time: "2026-11-25T14:05:00Z" }),
    fields({ "strategy.order.action": "sell", "strategy.market_position": "short" }),
    { ...fields(), strategy: "Another" },
    fields({ ticker: "ETHUSD" }),
    fields({ interval: "15" }),
  ];
  assert.is(new Set([id, ...others.map((each) => broadcastId(each))]).size, 6);
  assert.match(broadcastId({ ...fields(), strategy: "x".repeat(200) }) ?? "", /^TradingView [\da-f]{32}$/);
  assert.is(broadcastId({ text: "x" }), undefined);
});

test("TradingView's requests: JSON or plain text, no header, the secret in the message, repeated", async () => {
  await withBotOverHttp(async (scene) => {
    const secret = "s3cret-of-the-tests";
    const [ada] = await subscribers(scene, 1);
    const callback = signalCallback(scene.bot, { secret, logger: scene.logs, ...tradingView(percents) });
    await using web = await serve("Node", callback);
    const now = new Date();
    const timenow = `${now.toISOString().slice(0, 19)}Z`;
    const body = filled({ timenow, time: timenow }).replace("YOUR SECRET", secret);
    const statuses: boolean[] = [];
    for (const type of ["application/json; charset=utf-8", "text/plain; charset=utf-8", "text/plain"]) {
      const response = await fetch(web.url, { method: "POST", body, headers: { "Content-Type": type } });
      statuses.push((await response.json() as { accepted: boolean }).accepted);
    }
    assert.equal(statuses, [true, true, true]);
    await until(() => said(ada as never).length > 0, "not sent");
    assert.equal(said(ada as never), ["🟢 LONG BTCUSD · 5m"]);
  }, { state: "made", hasLedger: true });
});

test.run();
