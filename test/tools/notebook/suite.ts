/** All tests that need Deno's kernel: one suite, as several would run at the same time. */
import type { Test } from "uvu";
import { suite } from "../../harness.ts";

export const test: Test<Record<string, never>> = suite("in Deno's kernel", {}, 5 * 60_000);
