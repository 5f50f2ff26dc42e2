/**
 * The folder `cli`: the command `telegram-signals`, by the package's public API. This file finds the command that is meant,
 * and says what went wrong. Exit status: the command's own; 1 where it failed, 2 for a mistake in the arguments or in the
 * bot's settings; 130 for a second Ctrl-C.
 */
import process from "node:process";
import { nearestName, UsageError } from "./arguments.ts";
import { commandLine, type PermissionSet } from "./command_line.ts";
import { isMistake } from "./failure.ts";
import { requirePermissions } from "./permissions.ts";
import { safeLines } from "./safe_print.ts";
import { ownWords } from "./sandbox/arguments.ts";
import * as usages from "./usage.ts";
import { version } from "./version.ts";

interface Command {
  readonly summary: string;
  readonly permissions: PermissionSet;
  readonly usage: (self: string) => string;
  /** Its own arguments, which may ask for help. Default: those before `--`. */
  readonly ownWords?: (args: readonly string[]) => readonly string[];
  /** Whether no argument asks for help, too. Default: false. */
  readonly needsArguments?: boolean;
  /** Packages read the environment while they are loaded, which Deno has to permit first. */
  load(): Promise<{
    /** Gives the exit status. `self` is what the user typed before the arguments. */
    run(args: readonly string[], self: string): Promise<number>;
  }>;
}

type Name = "chats" | "broadcast" | "send" | "sandbox" | "playground";

const commands: Readonly<Record<Name, Command>> = {
  chats: {
    summary: "lists and changes the chats in the table",
    usage: usages.chats,
    needsArguments: true,
    permissions: "-P",
    load: () => import("./commands/chats.ts"),
  },
  broadcast: {
    summary: "sends a text to everyone who is subscribed",
    usage: usages.broadcast,
    permissions: "-P",
    load: () => import("./commands/broadcast.ts"),
  },
  send: {
    summary: "sends a trading signal to everyone who is subscribed",
    usage: usages.send,
    permissions: "-P",
    load: () => import("./commands/send.ts"),
  },
  sandbox: {
    summary: "runs a script against a Telegram and a DynamoDB on this machine",
    usage: usages.sandbox,
    ownWords,
    permissions: "-P=sandbox",
    load: () => import("./commands/sandbox.ts"),
  },
  playground: {
    summary: "opens a page on which you are a subscriber, with switches for failures",
    usage: usages.playground,
    permissions: "-P=sandbox",
    load: () => import("./commands/playground.ts"),
  },
};

const usage = (self: string): string =>
  `A Telegram bot that broadcasts trading signals to its subscribers.

  ${self} COMMAND [ARGUMENTS]

${Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`).join("\n")}

  --help      of a command: ${self} COMMAND --help
  --version

The bot's settings come from the environment or from .env: TELEGRAM_BOT_TOKEN and so on.`;

/** Runs the command that the first argument names to its end, and sets the exit status. */
export async function runProgram([name = "--help", ...args]: readonly string[]): Promise<void> {
  await untilEnd(async () => {
    if (["--help", "-h", "help"].includes(name)) return console.log(usage(commandLine("-P"))), 0;
    if (name === "--version") return console.log(version), 0;
    if (Object.hasOwn(commands, name)) return await run(commands[name as Name], args, name);
    const names = Object.keys(commands);
    const meant = nearestName(name, names);
    const hint = meant === undefined ? `: ${names.join(", ")}` : ` (did you mean ${meant}?)`;
    throw new UsageError(`There is no command ${JSON.stringify(name)}${hint}`);
  });
}

/** Runs one command to its end, for a script of its own such as `examples/sandbox.ts`, and sets the exit status. */
export async function runCommand(name: Name, args: readonly string[]): Promise<void> {
  await untilEnd(() => run(commands[name], args));
}

/** @param name What the user typed to choose it. Default: nothing, as the program does nothing else. */
async function run(command: Command, args: readonly string[], name?: string): Promise<number> {
  const { permissions, needsArguments = false, ownWords = beforeDashes } = command;
  const self = [commandLine(permissions), ...name === undefined ? [] : [name]].join(" ");
  if ((needsArguments && args.length === 0) || ownWords(args).includes("--help")) {
    return console.log(command.usage(self)), 0;
  }
  requirePermissions(permissions);
  return await (await command.load()).run(args, self);
}

function beforeDashes(args: readonly string[]): readonly string[] {
  return args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
}

async function untilEnd(task: () => Promise<number>): Promise<void> {
  // A reader such as head or less may close the pipe early.
  process.stdout.on("error", (error: Error & { readonly code?: string }) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  try {
    process.exitCode = await task();
  } catch (error) {
    const { name, message } = error as Error;
    // The library's checks of what the arguments say.
    const isUsage = ["UsageError", "TypeError", "RangeError"].includes(name);
    const hint = isUsage && !message.includes("--help") ? "; --help explains" : "";
    console.error(safeLines(`${message}${hint}`));
    process.exitCode = isUsage || isMistake(error) ? 2 : 1;
  }
}
