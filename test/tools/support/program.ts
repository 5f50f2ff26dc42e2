/** Programs run to their end, our tools among them, for tests of what strangers get. */
import { spawn } from "node:child_process";
import { delimiter, join } from "node:path";
import process from "node:process";
import { searchText } from "../../support/leaks.ts";
import { root } from "../../support/script.ts";

export { root };

export const modules: string = join(root, "node_modules");

/** Our tools come before the machine's. */
export const environment: Readonly<Record<string, string | undefined>> = {
  ...process.env,
  PATH: `${join(modules, ".bin")}${delimiter}${process.env["PATH"]}`,
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  NO_COLOR: "1",
};

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** A folder, and what its programs find in their environment besides. */
export interface Place {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** After so long a program is ended. Default: so soon that none outlives the test that waits for it. */
  readonly limitMs?: number;
}

const usualLimitMs = 170_000;

export function run(place: string | Place, program: string, ...parameters: string[]): Promise<Ended> {
  const { folder: cwd, env, limitMs = usualLimitMs } = typeof place === "string"
    ? { folder: place, env: {} }
    : place;
  const child = spawn(program, parameters, {
    cwd,
    env: { ...environment, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Not spawn's own time limit: its timer outlives a program that could not be started.
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      searchText(output, `the output of ${program}`);
      resolve({ code, output });
    });
  });
  return ended.finally(() => clearTimeout(timer));
}

/** As `run`, but only success will do; gives what was printed. */
export async function succeeds(
  place: string | Place,
  program: string,
  ...parameters: string[]
): Promise<string> {
  const { code, output } = await run(place, program, ...parameters);
  if (code !== 0) throw new Error(`${[program, ...parameters].join(" ")} failed:\n${output}`);
  return output;
}
