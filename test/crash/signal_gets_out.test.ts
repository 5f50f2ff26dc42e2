/** A signal always gets out: the short form of `test/crash/signal_run.ts`, which `npm run test:crash` runs. */
import { createSemaphore } from "../../lib/util/async.ts";
import { rows } from "./rows.ts";
import { suite } from "../harness.ts";

const test = suite("a signal gets out", {}, 150_000);
const short = { people: 60, factor: 3, bounds: { times: 2, slackMs: 30_000, firstMs: 30_000 } };
/** A row is mostly waiting, so that another is played at the same time. */
const atOnce = createSemaphore(2);
let playing: ReadonlyMap<string, Promise<unknown>> | undefined;

/** All rows are played together with the first of them. */
function playAll(): ReadonlyMap<string, Promise<unknown>> {
  const plays = new Map(Object.entries(rows).map(([title, row]) => [title, atOnce(() => row(short))]));
  for (const play of plays.values()) play.catch(() => {});
  return plays;
}

for (const title of Object.keys(rows)) {
  test(title, async () => {
    playing ??= playAll();
    await playing.get(title);
  });
}

test.run();
