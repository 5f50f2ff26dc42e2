/** Runs a script in a hostile environment, and watches which machines it wants to reach. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { hostileEnvironment } from "./hostile_environment.ts";
import { commandFor, type Loader, runtime } from "./runtime.ts";
import { root } from "./script.ts";

const hook = fileURLToPath(new URL("network_watch.mjs", import.meta.url));

export interface WatchedScript {
  readonly path: string;
  /** @param folder The current folder, a temporary one. */
  readonly args?: (folder: string) => readonly string[];
  readonly loader: Loader;
  /** Whether the environment has a token; an `.env` always has. */
  readonly hasToken?: boolean;
}

export interface Watched {
  readonly hasSucceeded: boolean;
  readonly output: string;
  /** Other machines that it, or a child of it, has tried to reach. */
  readonly reached: readonly string[];
  /** Whether it has written to the caller's spool file. */
  readonly hasSpooled: boolean;
}

/** @param before A command that runs the command after it. */
export async function runWatched(script: WatchedScript, before: readonly string[] = []): Promise<Watched> {
  // Below the root, where packages and deno.json are found.
  await mkdir(join(root, ".sandbox"), { recursive: true });
  const folder = await mkdtemp(join(root, ".sandbox", "watched-"));
  const watch = runtime === "Deno" ? watchDeno(join(folder, "network")) : watchNode(join(folder, "network"));
  try {
    const { TELEGRAM_BOT_TOKEN: token = "", ...hostile } = await hostileEnvironment(folder);
    const env = {
      ...process.env,
      ...hostile,
      ...script.hasToken !== false && { TELEGRAM_BOT_TOKEN: token },
      ...watch.env,
    };
    const command = commandFor(join(root, script.path), "-P=sandbox", script.loader);
    const [program = "", ...args] = [...before, ...command, ...script.args?.(folder) ?? []];
    const [hasSucceeded, output] = await new Promise<[boolean, string]>((resolve) => {
      execFile(program, args, { cwd: folder, env }, (error, stdout, stderr) => {
        resolve([error === null, stdout + stderr]);
      });
    });
    const reached = await watch.reached();
    return { hasSucceeded, output, reached, hasSpooled: existsSync(hostile["TELEGRAM_SPOOL_FILE"] ?? "") };
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Watch {
  readonly env: Readonly<Record<string, string>>;
  /** The hosts, once the program has ended. */
  reached(): Promise<string[]>;
}

/** Node loads a hook. */
function watchNode(log: string): Watch {
  return {
    env: { NODE_OPTIONS: `--import=${hook}`, NETWORK_LOG: log },
    reached: async () => existsSync(log) ? (await readFile(log, "utf8")).trim().split("\n") : [],
  };
}

/** Deno writes down what it is asked to permit. Several processes would overwrite each other's lines in a plain file. */
function watchDeno(pipe: string): Watch {
  execFileSync("mkfifo", [pipe]);
  const { denoDir } = JSON.parse(execFileSync(process.execPath, ["info", "--json"], { encoding: "utf8" }));
  const reader = promisify(execFile)("cat", [pipe], { maxBuffer: Infinity });
  return {
    env: { DENO_AUDIT_PERMISSIONS: pipe, DENO_DIR: denoDir },
    async reached() {
      const { stdout } = await reader;
      const hosts = [...stdout.matchAll(/"permission":"net","value":"([^"]*)"/g)].map(([, host = ""]) =>
        host
      );
      if (hosts.length === 0) throw new Error("Deno has written down nothing");
      return hosts.filter((host) => !/^(https?:\/\/)?127\.0\.0\.1\b/.test(host));
    },
  };
}
