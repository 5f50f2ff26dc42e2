/** Histories of whole bots: a fixed set, the seeds that have failed once, and a few new ones each time. */
import { readFile } from "node:fs/promises";
import { assert, suite } from "../harness.ts";
import { playHistory } from "./history.ts";
import { type HistoryPlan, planOf } from "./plan.ts";
import { shrink } from "./shrink.ts";
import { warmUp } from "./warm_up.ts";

const test = suite("histories of the simulation", {}, 300_000);

const fixedSeeds = Array.from({ length: 12 }, (_, index) => index + 1);
const newSeeds = Array.from({ length: 3 }, () => Math.floor(Math.random() * 1e9));

/** `npm run sim -- --seed N` shows what went wrong. */
async function play(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const { problems } = await playHistory(planOf(seed));
    assert.equal(problems, [], `seed ${seed}`);
  }
}

test.before(warmUp);

test("the fixed seeds", () => play(fixedSeeds));

test("the seeds that have failed once", async () => {
  const text = await readFile(new URL("seeds.txt", import.meta.url), "utf8");
  const seeds = text.split("\n").map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== "");
  assert.ok(seeds.every((seed) => /^\d+$/.test(seed)));
  await play(seeds.map(Number));
});

test(`new seeds: ${newSeeds.join(", ")}`, () => play(newSeeds));

test("the same seed gives the same trace, byte for byte", async () => {
  const [one, other] = [await playHistory(planOf(3), { keepsTrace: true }), await playHistory(planOf(3))];
  assert.is(other.hash, one.hash);
  assert.is(other.events, one.events);
  const third = await playHistory(planOf(3), { keepsTrace: true });
  assert.equal(third.trace, one.trace);
  assert.is.not((await playHistory(planOf(4))).hash, one.hash);
});

test("a history that fails is shortened to what it needs for that", async () => {
  const plan = planOf(8);
  const needed = plan.events[5];
  const failing =
    (problem: string) => ({ events, disturbances }: HistoryPlan): Promise<{ problems: string[] }> =>
      Promise.resolve({
        problems: events.some(({ seed }) => seed === needed?.seed) && disturbances.length > 1
          ? [problem]
          : [],
      });
  const shrunk = await shrink(plan, ["12.345 LOST a chat"], failing("9.8 LOST another one"));
  assert.equal(shrunk.events, [needed]);
  assert.is(shrunk.disturbances.length, 2);
  assert.is(shrunk.readers, 0);
  // Another failure does not count.
  assert.is(await shrink(plan, ["12.345 LOST a chat"], failing("SILENCE is broken")), plan);
});

test.run();
