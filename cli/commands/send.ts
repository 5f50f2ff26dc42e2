/** `telegram-signals send`: sends a trading signal, from whichever language, to everyone who is subscribed. */
import { Buffer } from "node:buffer";
import process from "node:process";
import type { TradingSignal } from "telegram-signals";
import { signalMessage } from "telegram-signals/signals";
import { parseArguments, UsageError } from "../arguments.ts";
import { hasTerminal } from "../confirm.ts";
import { dryRunOf, joinDryRun } from "../dry_run.ts";
import { sendingOptions, sendingUsage, sendToAll } from "../sending.ts";

const text = { type: "string" } as const;
const facts = {
  ...{ direction: text, symbol: text, entry: text, stop: text, target: text },
  ...{ "tick-size": text, size: text, risk: text, currency: text },
  ...{ timeframe: text, strategy: text, note: text, time: text },
} as const;

const usage = `Sends a trading signal to everyone who is subscribed.

  telegram-signals send --direction long --symbol BTC-USD --entry 67250.5 --stop 66980 --target 67800
  telegram-signals send --yes < signal.json

  --direction long|short, --symbol NAME, --entry PRICE, --stop PRICE, --target PRICE
  --tick-size STEP, --size AMOUNT, --risk AMOUNT, --currency NAME, --timeframe LENGTH, --strategy NAME, --note TEXT,
  --time TIME   an ISO 8601 time with its zone (default: now)
Without any of these, standard input is a signal as JSON: { "direction": "long", "symbol": "BTC-USD", ... }. Its "id" is
the name of --id.
${sendingUsage}`;

/** Gives the exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArguments({ args: joinDryRun(argv), options: { ...sendingOptions, ...facts } }, "");
  const { id, yes, json, help, "dry-run": dryRun, "tick-size": tickSize, ...others } = values;
  if (help) return console.log(usage), 0;
  const given = { ...others, ...tickSize !== undefined && { tickSize } };
  const { signal, id: ownId } = Object.keys(given).length > 0
    ? { signal: given as TradingSignal, id: undefined }
    : await readSignal();
  const { text: preview } = signalMessage(signal, Date.now());
  return await sendToAll({
    ...{ id: id ?? ownId, yes, json, dryRun: dryRunOf(dryRun), preview },
    start: (bot, options) => bot.sendSignal(signal, options),
  });
}

interface ReadSignal {
  readonly signal: TradingSignal;
  readonly id: string | undefined;
}

/** @throws {UsageError} If standard input is no JSON object. */
async function readSignal(): Promise<ReadSignal> {
  if (hasTerminal()) throw new UsageError("A signal is needed: as arguments, or as JSON on standard input");
  const parts: Uint8Array[] = [];
  for await (const part of process.stdin as AsyncIterable<Uint8Array>) parts.push(part);
  const { id, ...signal } = objectIn(Buffer.concat(parts).toString("utf8"));
  if (id !== undefined && typeof id !== "string" && typeof id !== "number") {
    throw new UsageError(`"id" must be a text: current value is ${JSON.stringify(id)}`);
  }
  return { signal: signal as unknown as TradingSignal, id: id === undefined ? undefined : String(id) };
}

function objectIn(json: string): Readonly<Record<string, unknown>> {
  if (json.trim() === "") {
    throw new UsageError("A signal is needed: as arguments, or as JSON on standard input");
  }
  try {
    const value: unknown = JSON.parse(json.replace(/^\uFEFF/, ""));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch (cause) {
    throw new UsageError(`Standard input must be JSON: ${(cause as Error).message}`, { cause });
  }
  throw new UsageError("Standard input must be a signal: a JSON object");
}
