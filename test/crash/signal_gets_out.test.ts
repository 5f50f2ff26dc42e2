/** A signal always gets out. With more people: `npm run test:crash -- --only=signals`. */
import { suite } from "../harness.ts";
import { scenarios } from "./signals.ts";

const test = suite("a signal gets out");
const size = { people: 150, factor: 1, bounds: { times: 1.1, slackMs: 2000, firstMs: 1000 } };

for (const [title, scenario] of Object.entries(scenarios)) {
  test(title, async () => void await scenario(size));
}

test.run();
