/**
 * `telegram-signals sandbox`: runs a script unchanged against a Telegram and a DynamoDB on this machine, with a few
 * simulated people. Without a script it runs the live scheduler twice, with a restart between.
 */
import { rm } from "node:fs/promises";
import { extname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { startBotApiServer, startDynamoDB } from "telegram-signals/local";
import { UsageError } from "../arguments.ts";
import { runScript } from "../child_script.ts";
import { requirePackages } from "../optional_packages.ts";
import { readSandboxArguments, type SandboxArguments } from "../sandbox/arguments.ts";
import { environmentVariables, isolateEnvironment } from "../sandbox/environment_variables.ts";
import { People } from "../sandbox/people.ts";
import { announceSandbox, runningSandbox, type SandboxSettings } from "../sandbox/running.ts";

/** Gives the exit status. */
export async function run(argv: readonly string[], self: string): Promise<number> {
  const given = readSandboxArguments(argv);
  const { fresh, data: folder, script, args } = given;
  requirePackages("The sandbox", ["dynalite", ...script === undefined ? ["trading-signals"] : []]);
  outliveScript();
  isolateEnvironment();
  const running = await runningSandbox(folder);
  if (running !== undefined) return await runInside(running, given);
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
  // Each demonstration begins with the same candles, whose signals were sent in the one before.
  const demonstration = { TELEGRAM_BROADCASTS_TABLE: `telegram-broadcasts-${Date.now()}` };
  const settings = {
    ...environmentVariables(telegram, database),
    TELEGRAM_CHATS_TABLE: "telegram-chats",
    TELEGRAM_AUTO_REGISTER: "true",
    ...script === undefined && demonstration,
  };
  await using _others = await announceSandbox(folder, settings);
  try {
    if (script === undefined) return await demonstrate(people, settings, self);
    const status = await runScript(script, args, settings);
    const note = people.unheard();
    if (note !== undefined) console.log(`\n${note}`);
    return status;
  } finally {
    await people.save();
  }
}

/** Runs the script against the Telegram and the DynamoDB of the sandbox that runs already. */
async function runInside(
  running: SandboxSettings,
  { fresh, data: folder, script, args }: SandboxArguments,
): Promise<number> {
  if (fresh) {
    throw new UsageError(
      `--fresh cannot clear ${folder} while a sandbox runs there: stop that one, or take another folder with --data`,
    );
  }
  if (script === undefined) {
    throw new UsageError(
      `A sandbox runs in ${folder} already: name a script to run in it, or take another folder with --data`,
    );
  }
  console.log(`The sandbox in ${folder} is running: the script uses that one, which shows what people get.`);
  return await runScript(script, args, running);
}

/** The whole job: people register, get signals, leave; the bot restarts and finds those who stayed. */
async function demonstrate(people: People, settings: SandboxSettings, self: string): Promise<number> {
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
      `(${self} --fresh).`,
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

let isInterrupted = false;

/** The script gets these signals, too; the sandbox ends after it. */
function outliveScript(): void {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      isInterrupted = true;
    });
  }
}
