/**
 * `telegram-signals playground`: a page on which you are a subscriber of a bot, with switches for its failures. The bot is a
 * real one, in a process of its own; its Telegram and its DynamoDB are on this machine.
 */
import { once } from "node:events";
import { parseArguments, wholeNumber } from "../arguments.ts";
import { requirePackages } from "../optional_packages.ts";
import { stopOnSignals } from "../stop_on_signals.ts";
import { withEnvironment } from "../playground/server/environment.ts";
import { Playground } from "../playground/server/playground.ts";
import { startWebServer } from "../playground/server/web_server.ts";
import { isolateEnvironment } from "../sandbox/environment_variables.ts";

interface Settings {
  readonly port: number;
  readonly everySeconds: number;
}

/** Gives the exit status. */
export async function run(args: readonly string[]): Promise<number> {
  const settings = readSettings(args);
  requirePackages("The playground", ["dynalite", "trading-signals"]);
  const stopping = stopOnSignals(() => console.log("\nClosing the playground."));
  isolateEnvironment();
  await withEnvironment(async (environment) => {
    await using playground = await Playground.open(environment, settings.everySeconds);
    await using server = await startWebServer(settings.port, playground);
    console.log(`The playground is open: ${server.address}\nCtrl-C ends it.`);
    if (!stopping.aborted) await once(stopping, "abort");
  });
  return 0;
}

const options = {
  port: { type: "string", default: "0" },
  every: { type: "string", default: "60" },
} as const;

function readSettings(args: readonly string[]): Settings {
  const { port, every } = parseArguments({ args: [...args], options }).values;
  return {
    port: wholeNumber("port", port, 0, 65_535),
    everySeconds: wholeNumber("every", every, 0, 86_400),
  };
}
