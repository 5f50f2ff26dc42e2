/**
 * The folder `cli`: the command `telegram-signals`, by the package's public API. This file finds the command that is meant,
 * and says what went wrong. Exit status: the command's own; 1 where it failed, 2 for a mistake in the arguments or in the
 * bot's settings.
 */
import process from "node:process";
import { nearestName, UsageError } from "./arguments.ts";
import { requirePermissions } from "./permissions.ts";
import { safeLines } from "./safe_print.ts";
import { version } from "./version.ts";

interface Command {
  readonly summary: string;
  /** Deno's permissions for it, as of deno.json. */
  readonly permissions: "-P" | "-P=sandbox";
  /** Packages read the environment while they are loaded, which Deno has to permit first. */
  load(): Promise<{
    /** Gives the exit status. */
    run(args: readonly string[]): Promise<number>;
  }>;
}

const commands: Readonly<Record<string, Command>> = {
  chats: {
    summary: "lists and changes the chats in the table",
    permissions: "-P",
    load: () => import("./commands/chats.ts"),
  },
  broadcast: {
    summary: "sends a text to everyone who is subscribed",
    permissions: "-P",
    load: () => import("./commands/broadcast.ts"),
  },
  send: {
    summary: "sends a trading signal to everyone who is subscribed",
    permissions: "-P",
    load: () => import("./commands/send.ts"),
  },
  sandbox: {
    summary: "runs a script against a Telegram and a DynamoDB on this machine",
    permissions: "-P=sandbox",
    load: () => import("./commands/sandbox.ts"),
  },
  playground: {
    summary: "opens a page on which you are a subscriber, with switches for failures",
    permissions: "-P=sandbox",
    load: () => import("./commands/playground.ts"),
  },
};

const usage = `A Telegram bot that broadcasts trading signals to its subscribers.

  telegram-signals COMMAND [ARGUMENTS]

${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`).join("\n")}

  --help      of a command: telegram-signals COMMAND --help
  --version

The bot's settings come from the environment or from .env: TELEGRAM_BOT_TOKEN and so on.`;

/** Runs a command to its end, and sets the exit status. */
export async function runProgram(args: readonly string[]): Promise<void> {
  // A reader such as head or less may close the pipe early.
  process.stdout.on("error", (error: Error & { readonly code?: string }) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  try {
    process.exitCode = await run(args);
  } catch (error) {
    const { name, message } = error as Error;
    const isUsage = ["UsageError", "TypeError", "RangeError"].includes(name);
    const hint = isUsage && !message.includes("--help") ? "; --help explains" : "";
    console.error(safeLines(`${message}${hint}`));
    process.exitCode = isUsage || name === "ConfigError" ? 2 : 1;
  }
}

async function run([name = "--help", ...args]: readonly string[]): Promise<number> {
  if (["--help", "-h", "help"].includes(name)) return console.log(usage), 0;
  if (name === "--version") return console.log(version), 0;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const names = Object.keys(commands);
    const meant = nearestName(name, names);
    const hint = meant === undefined ? `: ${names.join(", ")}` : ` (did you mean ${meant}?)`;
    throw new UsageError(`There is no command ${JSON.stringify(name)}${hint}`);
  }
  requirePermissions(command.permissions);
  return await (await command.load()).run(args);
}
