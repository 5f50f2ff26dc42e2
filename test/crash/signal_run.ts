/**
 * The full proof that a signal always gets out, on the runtime that runs it: see `all.ts`. Each row prints its numbers.
 * `--row=WORDS` plays those whose title has the words.
 */
import { parseArgs } from "node:util";
import { suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { rows } from "./rows.ts";

const { values } = parseArgs({ options: { seed: { type: "string" }, row: { type: "string" } } });
const test = suite("a signal gets out", undefined, 5 * 60_000);
const size = { people: 600, factor: 1, bounds: { times: 1.1, slackMs: 0, firstMs: 1000 } };

for (const [title, row] of Object.entries(rows)) {
  if (!title.includes(values.row ?? "")) continue;
  test(title, async () => console.log(`${runtime}  ${title}: ${await row(size)}`));
}

test.run();
