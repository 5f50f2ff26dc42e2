/** Random adversaries around a signal: the short form of `adversaries.ts`. */
import { suite } from "../harness.ts";
import { playHistory } from "./adversaries.ts";
import { assertSound, historyLine } from "./report.ts";

const test = suite("adversaries", {}, 120_000);
const size = { people: 300, factor: 1, bounds: { times: 2, slackMs: 0, firstMs: 1000 } };

for (let seed = 1; seed <= 6; seed++) {
  test(`adversaries of history ${seed} keep a signal from nobody`, async () => {
    const report = await playHistory(seed, size);
    assertSound(historyLine(report), report.problems);
  });
}

test.run();
