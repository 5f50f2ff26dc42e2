/** Which feed the scheduler's settings choose, its history and its pace. */
import { chooseFeed, type ChosenFeed } from "../../../examples/strategy/choose_feed.ts";
import { readSettings } from "../../../examples/strategy/settings.ts";
import { assert, suite } from "../../harness.ts";

const test = suite("choose_feed");

test("chooseFeed() a demonstration waits in trading hours only", async () => {
  const settings = readSettings(["--interval", "3600"]);
  if (!settings) throw new Error("asked for help");
  const { pace } = chooseFeed(settings, { say: () => {} });
  const controller = new AbortController();
  const candle = { open: 1, high: 1, low: 1, close: 1, volume: 1 };
  await pace({ ...candle, time: Date.UTC(2026, 0, 5, 16, 55) }, controller.signal);
  const waiting = pace({ ...candle, time: Date.UTC(2026, 0, 5, 16, 50) }, controller.signal);
  controller.abort();
  assert.is(await waiting.then(() => "at once", (error) => error.name), "AbortError");
});

test("chooseFeed() in real time: history up to now, made up the same after a restart on the same day", async () => {
  const settings = readSettings(["--seed", "3547"]);
  if (!settings) throw new Error("asked for help");
  const say = (): void => {};
  const noon = Date.UTC(2026, 10, 23, 12);
  const firstOf = async (now: number): Promise<unknown> => {
    const { value } = await chooseFeed(settings, { say, now }).feed.candles()[Symbol.asyncIterator]()
      .next();
    return value;
  };
  assert.is(chooseFeed(settings, { say, now: noon }).liveFrom, noon);
  assert.equal(await firstOf(noon), await firstOf(noon + 3_600_000));
  assert.is((await firstOf(noon) as { time: number }).time, Date.UTC(2026, 10, 22));
});

test("chooseFeed() an exchange's candles, unless something else is asked for", () => {
  const seriesOf = (argv: string[]): ChosenFeed => {
    const settings = readSettings(argv);
    if (!settings) throw new Error("asked for help");
    return chooseFeed(settings, { say: () => {}, now: 0 });
  };
  const nameOf = (...argv: string[]): string => seriesOf(argv).feed.name;
  assert.is(seriesOf([]).liveFrom, -Infinity, "the exchange's clock tells, not ours");
  assert.is(nameOf(), "coinbase BTC-USD");
  assert.is(nameOf("--symbol", "BTC-USD", "--exchange", "https://api.exchange.coinbase.com"), nameOf());
  assert.is(nameOf("--symbol", "ETH-EUR"), "coinbase ETH-EUR");
  assert.is(nameOf("--exchange", "http://127.0.0.1:8080"), "127.0.0.1:8080 BTC-USD");
  assert.is(nameOf("--seed", "7"), "synthetic, seed 7, in real time");
  assert.is(nameOf("--interval", "1"), "synthetic, seed 3547");
  assert.is(nameOf("--interval", "1", "--seed", "7"), "synthetic, seed 7");
});

test.run();
