/**
 * The suites of the storage and of the ledger on AWS's own engine, DynamoDB Local, where Java is found. What differs
 * from the embedded one: a refused condition carries the item, expressions are checked more strictly, and a table is ACTIVE at once.
 */
import { join } from "node:path";
import process from "node:process";
import { engineVariable, fetchEngine, startEngine, whyNoJava } from "../support/dynamodb_local.ts";
import { root, runScript } from "../support/script.ts";

const suites = [
  ...["broadcast/ledger", "chats/stop_log", "dynamodb/chat_item", "dynamodb/chat_storage"],
  ...["dynamodb/faults", "dynamodb/ledger", "dynamodb/table_record"],
];

async function main(): Promise<number> {
  const why = await whyNoJava();
  if (why !== undefined) return notRun(why);
  const folder = await fetchEngine(join(root, "node_modules"));
  if (folder === undefined) return notRun("it could not be downloaded");
  const engine = await startEngine(folder);
  try {
    return await runSuites(engine.endpoint);
  } finally {
    await engine.stop();
  }
}

function notRun(why: string): number {
  console.log(`not run: ${why}`);
  console.log("0 passed, 0 failed");
  return 0;
}

async function runSuites(endpoint: string): Promise<number> {
  // Random histories by the thousand are for the simulated DynamoDB, which is quicker.
  const env = { APPLY_HISTORIES: "40", [engineVariable]: endpoint };
  const ended = await runScript(["test/run.ts", ...suites], env, "-P=test", "tsx");
  console.log(ended.output.trimEnd());
  return ended.status ?? 1;
}

process.exitCode = await main();
