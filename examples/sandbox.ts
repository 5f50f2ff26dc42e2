#!/usr/bin/env -S deno run -P=sandbox
/**
 * A Telegram and a DynamoDB of its own, and a few people on them: everything as in earnest. Without a script it tells
 * the whole story, and nothing leaves this machine; with one, the script runs unchanged.
 *
 *     npx tsx examples/sandbox.ts [--fresh] [--data FOLDER] [SCRIPT [ARGS]]
 *     deno run -P=sandbox examples/sandbox.ts [--fresh] [--data FOLDER] [SCRIPT [ARGS]]
 *
 * The table is kept in `.sandbox/`, so a second run finds the chats of the first; `--fresh` forgets them.
 * Exit status: the script's own.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { startBotApiServer, startDynamoDB } from "telegram-signals/local";
import { Cast } from "./sandbox/cast.ts";
import { runScript } from "./sandbox/run_script.ts";

const usage = `Runs a script against a Telegram and a DynamoDB of its own, with a few people subscribed.

  sandbox.ts [--fresh] [--data FOLDER] [SCRIPT [ARGS]]

  SCRIPT         any script that reads its settings from the environment (default: the whole story)
  --fresh        forgets the chats of earlier runs
  --data FOLDER  where the table is kept (default: .sandbox)
  --help`;

async function main(): Promise<number> {
  const { fresh, help, data: folder, script, args } = parse(process.argv.slice(2));
  if (help) return console.log(usage), 0;
  // Under Deno the scheduler may write to no other folder than this.
  const stateFile = `.signals/${basename(folder)}.jsonl`;
  if (fresh) {
    for (const path of [`${folder}/dynamodb`, `${folder}/people.json`, stateFile]) {
      await rm(path, { recursive: true, force: true });
    }
  }
  await using database = await startDynamoDB({ path: `${folder}/dynamodb` });
  // Telegram's ids grow from run to run, as they would have.
  await using telegram = await startBotApiServer({
    username: "signals_sandbox_bot",
    firstUpdateId: Date.now(),
    messagesPerSecond: 30,
  });
  const cast = await Cast.enter(telegram, `${folder}/people.json`);
  const settings = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    TELEGRAM_CHATS_TABLE: "telegram-chats",
    TELEGRAM_AUTO_REGISTER: "true",
    AWS_ENDPOINT_URL_DYNAMODB: database.endpoint,
    AWS_REGION: database.region,
    AWS_ACCESS_KEY_ID: database.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: database.credentials.secretAccessKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  try {
    if (script !== undefined) return await runScript(script, args, settings);
    return await tell(cast, settings, stateFile);
  } finally {
    await cast.leave();
  }
}

/** The main job from beginning to end: register, signal, lose some, restart, find the rest again. */
async function tell(cast: Cast, settings: Record<string, string>, stateFile: string): Promise<number> {
  console.log(
    "A Telegram and a DynamoDB of their own, on this machine. ▸ is what people do, ◂ what they get.",
  );
  const scheduler = "examples/live_scheduler.ts";
  const args = ["--interval", "0.25", "--state", stateFile, "--signals"];
  heading("The live scheduler starts its bot; people write to it.");
  const first = await runScript(scheduler, [...args, "2"], settings);
  if (first !== 0 || isInterrupted) return first || 130;
  heading("The bot has ended. It starts again, and finds its chats in the table.");
  const second = await runScript(scheduler, [...args, "1"], settings);
  if (second !== 0 || isInterrupted) return second || 130;
  heading("What everyone got in this run:");
  for (const line of cast.summary()) console.log(line);
  console.log(
    "\nThe table is kept: run this again and the bot finds its chats, or with --fresh and it forgets them.",
  );
  return 0;
}

function heading(text: string): void {
  console.log(`\n── ${text}\n`);
}

interface Arguments {
  readonly fresh: boolean;
  readonly help: boolean;
  readonly data: string;
  readonly script: string | undefined;
  readonly args: readonly string[];
}

/** Options of the sandbox stand before the script; what follows it is the script's own. */
function parse(argv: readonly string[]): Arguments {
  const options = {
    fresh: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    data: { type: "string", default: ".sandbox" },
  } as const;
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const at = tokens.find(({ kind }) => kind === "positional")?.index ?? argv.length;
  const [script, ...args] = argv.slice(at);
  try {
    const { fresh, help, data } = parseArgs({ args: argv.slice(0, at), options }).values;
    if (data.trim() === "") throw new Error("--data must name a folder");
    if (script !== undefined && !existsSync(script)) throw new Error(`There is no script ${script}`);
    return { fresh, help, data, script, args };
  } catch (error) {
    console.error(`${(error as Error).message.split(/\.? To specify/)[0]}; --help lists the options`);
    process.exit(2);
  }
}

// The script hears these too, and ends in its own way; the sandbox ends after it.
let isInterrupted = false;
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    isInterrupted = true;
  });
}

main().then((status) => {
  process.exitCode = status;
}, (error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
