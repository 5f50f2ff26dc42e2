/**
 * What touches networks and files, on Bun, where that is installed. The whole suite there is
 * `npm run test:runtimes -- Bun`.
 */
import process from "node:process";
import { mistakesInRuntime } from "../../lib/bot/options.ts";
import { root, run } from "./support/program.ts";

const suites = [
  "dynamodb/credentials",
  "dynamodb/faults",
  "util/http/node_fetch",
  "bot/env",
  "bot/networks.",
  "project/newcomer",
  "chats/spool",
  "telegram/webhook",
];

const limitMs = 9 * 60_000;

/** Why there is no Bun to run the tests on. */
async function whyNoBun(): Promise<string | undefined> {
  const found = await run(root, "bun", "--version").catch(() => undefined);
  if (found?.code !== 0) return "Bun is not installed here";
  return mistakesInRuntime({ bun: found.output.trim() }).at(0);
}

async function main(): Promise<number> {
  const why = await whyNoBun();
  if (why !== undefined) {
    console.log(`not run: ${why}`);
    console.log("0 passed, 0 failed");
    return 0;
  }
  const place = { folder: root, env: {}, limitMs };
  const { code, output } = await run(place, "bun", "--no-install", "test/run.ts", ...suites);
  console.log(output.trimEnd());
  return code ?? 1;
}

process.exitCode = await main();
