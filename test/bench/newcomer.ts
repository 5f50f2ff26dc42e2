/** How long a newcomer waits, from the clone to the first signal on the screen, with nothing in any cache. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root, run, runtime, runWell } from "./processes.ts";
import type { Row } from "./report.ts";
import { medianOf } from "./sampling.ts";

const newcomers = 2;
const patienceSeconds = 60;

/** A signal in the sandbox's output. */
const signal = /◂ \S+ (LONG|SHORT) /u;

interface Wait {
  readonly clone: number;
  /** With Deno there is nothing to install: what it downloads, it does at the start. */
  readonly install: number;
  readonly start: number;
}

/** The README's commands. */
async function beNewcomer(): Promise<Wait> {
  const home = await mkdtemp(join(tmpdir(), "newcomer-"));
  try {
    const cwd = join(home, "telegram-signals");
    const env = emptyCaches(home);
    const clone = await secondsOf(() => runWell("git", ["clone", "--quiet", pathToFileURL(root).href, cwd]));
    const install = runtime === "Deno" ? 0 : await secondsOf(() => runWell("npm", ["ci"], { cwd, env }));
    return { clone, install, start: await secondsToSignal(cwd, env) };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** The home folder itself stays: its .npmrc says which registry to use. */
function emptyCaches(home: string): Record<string, string> {
  const folder = (name: string): string => join(home, name);
  return {
    npm_config_cache: folder("npm"),
    DENO_DIR: folder("deno"),
    XDG_CACHE_HOME: folder("cache"),
    // Where tsx keeps what it has compiled.
    TMPDIR: home,
  };
}

async function secondsToSignal(cwd: string, env: Record<string, string>): Promise<number> {
  const start = performance.now();
  let seconds: number | undefined;
  const onOutput = (output: string): void => {
    if (seconds === undefined && signal.test(output)) seconds = (performance.now() - start) / 1000;
  };
  const [program, ...args] = runtime === "Deno"
    ? [process.execPath, "run", "-P=sandbox", "examples/sandbox.ts"] as const
    : ["npm", "run", "sandbox"] as const;
  const { status, output } = await run(program, args, { cwd, env, onOutput });
  if (status === 0 && seconds !== undefined) return seconds;
  throw new Error(
    `The sandbox ended with status ${status}, and showed no signal or did not end well:\n${output}`,
  );
}

async function secondsOf(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return (performance.now() - start) / 1000;
}

function row(measure: string, seconds: readonly number[]): Row {
  return { measure: `newcomer: ${measure}`, unit: " s", ours: medianOf(seconds) };
}

export async function measure(): Promise<Row[]> {
  const waits: Wait[] = [];
  for (let newcomer = 0; newcomer < newcomers; newcomer++) waits.push(await beNewcomer());
  const totals = waits.map(({ clone, install, start }) => clone + install + start);
  const parts = [
    row("git clone", waits.map(({ clone }) => clone)),
    row("npm ci", waits.map(({ install }) => install)),
    row("start to signal", waits.map(({ start }) => start)),
  ];
  return [
    {
      ...row("clone to first signal", totals),
      target: { of: "ours", is: "at most", value: patienceSeconds },
    },
    ...parts.filter(({ ours }) => ours > 0),
  ];
}
