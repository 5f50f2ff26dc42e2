/** A signal always gets out: the short form of `test/crash/signal_run.ts`, which `npm run test:crash` runs. */
import { rows } from "./crash/rows.ts";
import { suite } from "./harness.ts";

const test = suite("a signal gets out", {}, 120_000);
const short = { people: 90, factor: 3, bounds: { times: 2, slackMs: 9000, firstMs: 9000 } };

for (const [title, row] of Object.entries(rows)) {
  test(title, async () => {
    await row(short);
  });
}

test.run();
