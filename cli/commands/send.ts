/** `telegram-signals send`: sends a trading signal, from whichever language, to everyone who is subscribed. */
import { Buffer } from "node:buffer";
import { fstatSync, readSync } from "node:fs";
import process from "node:process";
import type { TradingSignal } from "telegram-signals";
import { signalMessage } from "telegram-signals/signals";
import { parseArguments, UsageError } from "../arguments.ts";
import { hasTerminal } from "../confirm.ts";
import { dryRunOf, joinDryRun } from "../dry_run.ts";
import { sendingOptions, sendToAll } from "../sending.ts";

const text = { type: "string" } as const;
const facts = {
  ...{ direction: text, symbol: text, entry: text, stop: text, target: text },
  ...{ "tick-size": text, size: text, risk: text, currency: text },
  ...{ timeframe: text, strategy: text, note: text, time: text },
} as const;

const required = ["direction", "symbol", "entry", "stop", "target"] as const;

/** Gives the exit status. */
export async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArguments({ args: joinDryRun(argv), options: { ...sendingOptions, ...facts } }, "");
  const { id, yes, json, "dry-run": dryRun, "tick-size": tickSize, ...others } = values;
  const given = { ...others, ...tickSize !== undefined && { tickSize } };
  const hasFacts = Object.keys(given).length > 0;
  if (hasFacts && isJsonFile(0)) {
    throw new UsageError(
      "Nothing was sent: a signal is either arguments or JSON on standard input, and both are given; leave out one",
    );
  }
  const missing = required.filter((name) => given[name] === undefined);
  if (hasFacts && missing.length > 0) {
    throw new UsageError(
      `The signal has no --${
        missing.join(", --")
      }: add what is missing, or give it whole as JSON, without these arguments`,
    );
  }
  const { signal, id: ownId } = hasFacts
    ? { signal: given as TradingSignal, id: undefined }
    : await readSignal();
  const { text: preview } = signalMessage(signal, Date.now());
  return await sendToAll({
    ...{ id: id ?? ownId, yes, json, dryRun: dryRunOf(dryRun), preview },
    start: (bot, options) => bot.sendSignal(signal, options),
  });
}

/**
 * Whether standard input is a file with a JSON object that nobody has read. It stays unread: where it is the file of a
 * loop (`while read … done < FILE`), its lines are the loop's. A pipe may be a loop's, too, or one that nobody ever
 * writes to, and to look into it is to take from it: it is left alone.
 */
function isJsonFile(descriptor: number): boolean {
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size === 0 || status.size > jsonBytesAtMost) return false;
    const bytes = new Uint8Array(status.size);
    const length = readSync(descriptor, bytes, 0, bytes.length, 0);
    objectIn(new TextDecoder().decode(bytes.subarray(0, length)));
    return readSync(descriptor, new Uint8Array(1), 0, 1, null) > 0;
  } catch {
    return false;
  }
}

const jsonBytesAtMost = 1_000_000;

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
