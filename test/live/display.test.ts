/** What a notebook shows of strategies that run. */
import type { Strategy } from "../../lib/live/strategy.ts";
import { assert, suite } from "../harness.ts";
import { pause, subscribers, until, withBot } from "../support/bot.ts";
import { flat, HandFeed } from "../support/hand_feed.ts";
import { failureOf } from "../support/storage.ts";
import { follower, latest, play, withLedger } from "../support/strategy_runs.ts";
import { ConfigError } from "../../lib/util/validate.ts";

const test = suite("strategies in a notebook");

/** What Deno's Jupyter kernel asks for. */
const show = (value: object): Promise<Record<string, string>> =>
  (value as Record<symbol, () => Promise<Record<string, string>>>)[Symbol.for("Jupyter.display")]?.() ??
    Promise.reject(new Error("it shows nothing"));
const linesOf = async (value: object): Promise<string[]> =>
  ((await show(value))["text/plain"] ?? "").split("\n").map((line) => line.trim());

test("a run shows its strategies, what they have found and sent, what fails, and how it ends", async () => {
  await withBot(async (scene) => {
    await subscribers(scene, 1);
    const moody: Strategy = follower({
      name: "Moody <b>",
      symbols: ["BTC-USD", "ETH-USD"],
      onCandle: () => {
        throw new Error(`boom of ${scene.server.token}`);
      },
    });
    const { feed, run } = play(scene, { strategies: [follower(), moody] });
    assert.equal((await linesOf(run)).slice(0, 5), [
      `2 strategies on ${feed.name}: running`,
      "Follower  BTC-USD  5m",
      "Moody <b>  BTC-USD, ETH-USD  5m",
      "Found: 0",
      "Sent: 0",
    ]);
    feed.give([flat(latest(), 101)]);
    await until(() => run.sent === 1, "it is not sent");
    const [lines, html = ""] = [await linesOf(run), (await show(run))["text/html"]];
    assert.equal(lines.slice(3, 6), [
      "Found: 1",
      "Sent: 1",
      "Fails: Moody <b> BTC-USD 5m: boom of <token>",
    ]);
    assert.match(lines.at(-1) ?? "", /await live\.stop\(\).* calls no strategy any more, and waits/);
    assert.match(html, /Moody &lt;b&gt;/);
    assert.match(html, /await live\.stop\(\)/);
    assert.not.match(html, /<b>/);
    await run.stop();
    const ended = await linesOf(run);
    assert.is(ended[0], `2 strategies on ${feed.name}: ended`);
    assert.equal(ended.filter((line) => /stop\(\)|Fails/.test(line)), []);
  }, withLedger);
});

test("a run shows why it has ended, or has lost a symbol", async () => {
  await withBot(async (scene) => {
    const mistaken = new HandFeed();
    mistaken.fail(new ConfigError("There is no NO-SUCH."));
    const { run } = play(scene, {}, mistaken);
    await failureOf(run.finished);
    assert.match((await linesOf(run)).join("\n"), /: ended\n[^]*Fails: .*There is no NO-SUCH/);
    const symbols = Array.from({ length: 12 }, (_, index) => `S${index}`);
    const many = play(scene, { strategies: [follower({ symbols })] }).run;
    await pause(100);
    assert.match((await linesOf(many))[1] ?? "", /^Follower {2}S0, .*S9, … and 2 more {2}5m$/);
    await many.stop();
  }, withLedger);
});

test.run();
