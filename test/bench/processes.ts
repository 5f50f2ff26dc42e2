/** Runs programs beside the one that measures, in its runtime, so that their processor time is theirs. */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));
const isDeno = process.versions["deno"] !== undefined;

export const runtime: "Node" | "Deno" = isDeno ? "Deno" : "Node";

/** What a process of `child.ts` does. */
export type Role =
  | "dynamodb"
  | "scan_server"
  | "bot_api_servers"
  | "counting_server"
  | "inbound_server"
  | "inbound_bot"
  | "broadcaster"
  | "measure";

export interface RunningServer {
  readonly endpoint: string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The command that runs `child.ts` in this runtime, as one of its roles. */
export function childCommand(role: Role, ...args: readonly string[]): [string, ...string[]] {
  const flags = isDeno ? ["run", "--quiet", "-P=test"] : ["--import", "tsx"];
  return [process.execPath, ...flags, fileURLToPath(new URL("child.ts", import.meta.url)), role, ...args];
}

/** Starts a role of `child.ts` that calls `serve`. */
export async function startServer(role: Role, ...args: readonly string[]): Promise<RunningServer> {
  const [program, ...command] = childCommand(role, ...args);
  const child = spawn(program, command, { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", (line: string) => resolve(line.trim()));
    child.once("error", reject);
    child.once("close", (status) => reject(new Error(`${role} ended with status ${status}`)));
  });
  return {
    endpoint,
    [Symbol.asyncDispose]() {
      child.stdin.end();
      return ended;
    },
  };
}

/** Tells the parent process where this one listens, and ends with it. */
export function serve({ endpoint }: { readonly endpoint: string }): void {
  console.log(endpoint);
  process.stdin.on("end", () => process.exit()).resume();
}

export interface Ended {
  readonly status: number | null;
  readonly output: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with all that was printed so far. */
  readonly onOutput?: (output: string) => void;
}

/** Runs a program to its end. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const { cwd = root, env = {}, onOutput } = options;
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", "pipe", "pipe"] as const;
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: [...stdio] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        onOutput?.(output);
      });
    }
    child.once("error", reject);
    child.once("close", (status) => resolve({ status, output }));
  });
}

/** As `run`, but rejects if the program fails. */
export async function runWell(...command: Parameters<typeof run>): Promise<string> {
  const { status, output } = await run(...command);
  if (status === 0) return output;
  throw new Error(`${[command[0], ...command[1]].join(" ")} ended with status ${status}:\n${output}`);
}

/** What a program that ran well printed on its last line, as JSON. */
export async function runForJson<T>(...command: Parameters<typeof run>): Promise<T> {
  return JSON.parse((await runWell(...command)).trim().split("\n").at(-1) ?? "") as T;
}
