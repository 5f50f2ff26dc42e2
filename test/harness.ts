/**
 * uvu's `suite`, made strict on every runtime: each test and hook has a time limit, and what uvu ignores is a failure: a
 * failing hook, a thrown non-Error, a forgotten `run()`, a test that did not run, and a run of no tests at all.
 * The process's last line is `N passed, N failed`, which counts these too, and its exit status says the same.
 */
import process from "node:process";
import { type Callback, suite as plain, type Test } from "uvu";

import { tellFinds } from "./support/leaks.ts";

export * as assert from "uvu/assert";

const pending = new Set<string>();
const problems: string[] = [];
const tests = { registered: 0, passed: 0, failed: 0 };

/** Fails the run for a problem that belongs to no test. */
export function report(problem: string): void {
  problems.push(problem);
}

/** The test that runs. */
let current = "before any test";
tellFinds((find) => report(`${current}: ${find}`));

process.on("exit", () => {
  const { registered, passed, failed } = tests;
  for (const title of pending) report(`suite "${title}" was never run()`);
  if (registered === 0) report("no test was registered");
  if (passed + failed < registered) report(`${registered - passed - failed} registered tests did not end`);
  for (const problem of problems) console.error(`  PROBLEM ${problem}`);
  const red = failed + problems.length;
  if (red > 0) process.exitCode = 1;
  console.log(`${passed} passed, ${red} failed`);
});

/** Runs one test or hook within the limit; always rejects with an Error. */
function limited<T>(what: string, limitMs: number, body: Callback<T>): Callback<T> {
  return async (state) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what}: nothing within ${limitMs} ms`)), limitMs);
    });
    try {
      await Promise.race([(async (): Promise<void> => await body(state))(), late]);
    } catch (error) {
      throw error instanceof Error ? error : new Error(`${what} threw ${String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  };
}

export function suite<T = Record<string, never>>(
  title: string,
  context?: T,
  limitMs: number = 60_000,
): Test<T> {
  const inner = plain<T>(title, context);
  let broken: Error | undefined;
  pending.add(title);

  /** uvu ignores errors of some hooks, so they are reported here. */
  const hook = (what: string, body: Callback<T>): Callback<T> => async (state) => {
    try {
      await limited(what, limitMs, body)(state);
    } catch (error) {
      broken ??= error as Error;
      report(`${title}: ${what} failed: ${(error as Error).stack}`);
    }
  };

  const wrapped = (name: string, body: Callback<T>): [string, Callback<T>] => {
    tests.registered++;
    const bounded = limited(`"${name}"`, limitMs, body);
    return [name, async (state): Promise<void> => {
      tests.failed++;
      current = `${title} "${name}"`;
      if (broken) throw broken;
      await bounded(state);
      tests.failed--;
      tests.passed++;
    }];
  };

  const test = ((name, body) => inner(...wrapped(name, body))) as Test<T>;
  test.only = (name, body): void => inner.only(...wrapped(name, body));
  test.skip = (name, body): void => {
    tests.registered++;
    inner.skip(name, body);
  };
  test.before = ((body) => inner.before(hook("before", body))) as Test<T>["before"];
  test.before.each = (body): void => inner.before.each(hook("before.each", body));
  test.after = ((body) => inner.after(hook("after", body))) as Test<T>["after"];
  test.after.each = (body): void => inner.after.each(hook("after.each", body));
  test.run = (): void => {
    pending.delete(title);
    inner.run();
  };
  return test;
}
