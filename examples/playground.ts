#!/usr/bin/env -S deno run -P=sandbox
/**
 * A page on which you are a subscriber of a bot, and all that can go wrong is a switch. The bot is a real one, in a
 * process of its own; its Telegram and its DynamoDB are on this machine, and nothing leaves it.
 *
 *     npm run playground
 *     deno run -P=sandbox examples/playground.ts
 *
 * Exit status: 0 after SIGINT or SIGTERM; 1 if the port is taken; 2 for a mistake in the arguments.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { Playground } from "./playground/playground.ts";
import { onStage } from "./playground/stage.ts";
import { startWebServer } from "./playground/web_server.ts";

const usage =
  `A page in your browser on which you are a subscriber of a bot, and all that can go wrong is a switch.

  playground.ts [--port N] [--every SECONDS]

  --port N         the page's port on 127.0.0.1 (default: a free one)
  --every SECONDS  from one signal to the next, once you have said /start; 0: nothing happens by itself (default: 60)
  --help

It needs no account, and nothing leaves this machine. Ctrl-C ends it.`;

interface Settings {
  readonly port: number;
  readonly everySeconds: number;
}

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  if (settings === undefined) return console.log(usage);
  const interrupted = interruption();
  // The AWS SDK's word on Node 20 is for those who choose the Node.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  await onStage(async (stage) => {
    await using playground = await Playground.open(stage, settings.everySeconds);
    await using server = await startWebServer(settings.port, playground);
    console.log(`The playground is open: ${server.address}\nCtrl-C ends it.`);
    await interrupted;
    console.log("\nClosing the playground.");
  });
}

/** Settles at the first SIGINT or SIGTERM; the second ends the process at once. */
function interruption(): Promise<void> {
  return new Promise((resolve) => {
    let isAsked = false;
    const ask = (): void => {
      if (isAsked) process.exit(130);
      isAsked = true;
      resolve();
    };
    process.on("SIGINT", ask);
    process.on("SIGTERM", ask);
  });
}

/** Undefined where help was asked for. */
function readSettings(args: readonly string[]): Settings | undefined {
  const options = {
    port: { type: "string", default: "0" },
    every: { type: "string", default: "60" },
    help: { type: "boolean", default: false },
  } as const;
  try {
    const { port, every, help } = parseArgs({ args: [...args], options }).values;
    if (help) return undefined;
    return { port: whole("--port", port, 65_535), everySeconds: whole("--every", every, 86_400) };
  } catch (error) {
    console.error(`${(error as Error).message.split(/\.? To specify/)[0]}; --help lists the options`);
    process.exit(2);
  }
}

function whole(name: string, text: string, most: number): number {
  if (/^\d+$/.test(text) && Number(text) <= most) return Number(text);
  throw new Error(
    `${name} must be a whole number from 0 to ${most}: current value is ${JSON.stringify(text)}`,
  );
}

main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
