/** Random adversaries around a signal: the short form of `adversaries.ts`. */
import { suite } from "../harness.ts";
import { playHistory } from "./adversaries.ts";
import { assertSound, historyLine } from "./report.ts";

const test = suite("adversaries", {}, 120_000);
const size = { people: 150, factor: 3, bounds: { times: 2, slackMs: 40_000, firstMs: 30_000 } };

for (let seed = 1; seed <= 6; seed++) {
  test(`adversaries of history ${seed} keep a signal from nobody`, async () => {
    const report = await playHistory(seed, size);
    assertSound(historyLine(report), report.problems);
  });
}

test.run();
