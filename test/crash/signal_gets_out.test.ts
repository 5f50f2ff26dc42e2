/** A signal always gets out: the short form of `signals.ts`. In full: `npm run test:crash -- --only=signals`. */
import { suite } from "../harness.ts";
import { scenarios } from "./signals.ts";
import { runTogether } from "./together.ts";

const test = suite("a signal gets out", {}, 150_000);
const short = { people: 60, factor: 3, bounds: { times: 2, slackMs: 30_000, firstMs: 30_000 } };

const tasks = Object.entries(scenarios).map(([title, scenario]) => [title, () => scenario(short)] as const);
const resultOf = runTogether(2, Object.fromEntries(tasks));

for (const title of Object.keys(scenarios)) test(title, async () => void await resultOf(title));

test.run();
