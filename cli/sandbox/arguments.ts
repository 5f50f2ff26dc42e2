/** The sandbox's arguments: its own options come before the script; what follows it are the script's. */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { parseArguments, UsageError } from "../arguments.ts";

const options = {
  fresh: { type: "boolean", default: false },
  data: { type: "string", default: ".sandbox" },
} as const;

export interface SandboxArguments {
  readonly fresh: boolean;
  readonly data: string;
  readonly script: string | undefined;
  readonly args: readonly string[];
}

/** The words before the script. */
export function ownWords(argv: readonly string[]): readonly string[] {
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true });
  return argv.slice(0, tokens.find(({ kind }) => kind === "positional")?.index);
}

/** @throws {UsageError} At the first mistake. */
export function readSandboxArguments(argv: readonly string[]): SandboxArguments {
  const own = ownWords(argv);
  const [script, ...args] = argv.slice(own.length);
  const { fresh, data } = parseArguments({ args: [...own], options }).values;
  if (data.trim() === "") throw new UsageError("--data must name a folder; --help lists the options");
  if (script !== undefined && !existsSync(script)) {
    throw new UsageError(`There is no script ${script}; --help lists the options`);
  }
  return { fresh, data, script, args };
}
