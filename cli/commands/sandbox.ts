/**
 * `telegram-signals sandbox`: runs a script unchanged against a Telegram and a DynamoDB on this machine, with a few
 * simulated people. Without a script it runs the live scheduler twice, with a restart between.
 */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { extname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startBotApiServer, startDynamoDB } from "telegram-signals/local";
import { parseArguments, UsageError } from "../arguments.ts";
import { isCompiled, runScript } from "../child_script.ts";
import { requirePackages } from "../optional_packages.ts";
import { environmentVariables, isolateEnvironment } from "../sandbox/environment_variables.ts";
import { People } from "../sandbox/people.ts";

const usage =
  `Runs a script against a Telegram and a DynamoDB on this machine, with a few simulated subscribers.

  telegram-signals sandbox [--fresh] [--data FOLDER] [SCRIPT [ARGS]]

  SCRIPT         any script that reads its settings from the environment (default: the live scheduler, twice)
  --fresh        forgets the chats of earlier runs
  --data FOLDER  where the table is kept (default: .sandbox)
  --help

The table is kept, so that a second run finds the chats of the first. Nothing leaves this machine. Exit status: the
script's own.`;

/** Gives the exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  const { fresh, help, data: folder, script, args } = parse(argv);
  if (help) return console.log(usage), 0;
  requirePackages("The sandbox", ["dynalite", ...script === undefined ? ["trading-signals"] : []]);
  outliveScript();
  isolateEnvironment();
  if (fresh) {
    for (const path of [`${folder}/dynamodb`, `${folder}/people.json`]) {
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
  const people = await People.load(telegram, `${folder}/people.json`);
  const settings = {
    ...environmentVariables(telegram, database),
    TELEGRAM_CHATS_TABLE: "telegram-chats",
    TELEGRAM_AUTO_REGISTER: "true",
  };
  try {
    if (script !== undefined) return await runScript(script, args, settings);
    // Each demonstration begins with the same candles, whose signals were sent in the one before.
    const demonstration = { TELEGRAM_BROADCASTS_TABLE: `telegram-broadcasts-${Date.now()}` };
    return await demonstrate(people, { ...settings, ...demonstration });
  } finally {
    await people.save();
  }
}

/** The whole job: people register, get signals, leave; the bot restarts and finds those who stayed. */
async function demonstrate(people: People, settings: Record<string, string>): Promise<number> {
  console.log(
    "Telegram and DynamoDB run on this machine. ▸ is what people do, ◂ what they get.",
  );
  const args = ["--interval", "0.2", "--signals"];
  heading("The live scheduler starts its bot; people write to it.");
  const first = await runScript(scheduler, [...args, "2"], settings);
  if (first !== 0 || isInterrupted) return first || 130;
  heading("The bot has ended. It starts again, and finds its chats in the table.");
  const second = await runScript(scheduler, [...args, "1"], settings);
  if (second !== 0 || isInterrupted) return second || 130;
  heading("What everyone got in this run:");
  for (const line of people.summary()) console.log(line);
  console.log(
    "\nThe table is kept: run this again and the bot finds its chats, or with --fresh and it forgets them " +
      `(${isCompiled ? "npx telegram-signals sandbox --fresh" : "npm run sandbox -- --fresh"}).`,
  );
  return 0;
}

/** The live scheduler: compiled where this file is. */
const scheduler = fileURLToPath(
  new URL(`../../examples/live_scheduler${extname(import.meta.url)}`, import.meta.url),
);

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

/** The sandbox's options come before the script; what follows it are the script's arguments. */
function parse(argv: readonly string[]): Arguments {
  const options = {
    fresh: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    data: { type: "string", default: ".sandbox" },
  } as const;
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  const at = tokens.find(({ kind }) => kind === "positional")?.index ?? argv.length;
  const [script, ...args] = argv.slice(at);
  const { fresh, help, data } = parseArguments({ args: argv.slice(0, at), options }).values;
  if (data.trim() === "") throw new UsageError("--data must name a folder; --help lists the options");
  if (script !== undefined && !existsSync(script)) {
    throw new UsageError(`There is no script ${script}; --help lists the options`);
  }
  return { fresh, help, data, script, args };
}

let isInterrupted = false;

/** The script gets these signals, too; the sandbox ends after it. */
function outliveScript(): void {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      isInterrupted = true;
    });
  }
}
