/**
 * Measures what the simulation finds: plants one mistake of `mutant_list.ts` at a time in a copy of lib, and plays histories
 * until one fails; or the scenes, for a mistake that has one.
 *
 *     npm run sim:mutants [-- --only NAME] [--from N] [--histories N]
 *
 * `--only` takes a name or its beginning; `--from` is the seed of the first history (default 1), `--histories` how many are
 * played at most for one mutant (default 100). A history that fails without the mutant, too, proves nothing. The last line is
 * `N caught, N not caught`. Exit status: 1 if one is not caught, or its text is not found.
 */
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { applied, type Mutant, mutants, sceneFileOf } from "./mutant_list.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** What a history needs; `node_modules` is linked. */
const copied = ["lib", "test", "mod.ts", "package.json", "tsconfig.json"];
/** A mutant may keep a history from ever ending: with one for so long, a history has failed. */
const silentAtMostMs = 120_000;

interface Verdict {
  readonly kind: string;
  readonly problem: string;
  readonly seed: number;
}

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    from: { type: "string", default: "1" },
    histories: { type: "string", default: "100" },
  },
});
const from = Number(values.from);
const histories = Number(values.histories);
/** Each file of scenes without a mutant, played once. */
const unplanted = new Map<string, Promise<Ended>>();
const counts = { caught: 0, notCaught: 0 };
const folder = await copy();
try {
  for (const mutant of mutants) {
    if (!mutant.name.startsWith(values.only)) continue;
    const startedAt = performance.now();
    const [isCaught, told] = await judge(mutant);
    counts[isCaught ? "caught" : "notCaught"]++;
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
    console.log(`${mutant.name.padEnd(56)}  ${told}  [${seconds} s]`);
  }
} finally {
  await rm(folder, { recursive: true });
}
console.log(`${counts.caught} caught, ${counts.notCaught} not caught`);
process.exitCode = counts.caught === 0 || counts.notCaught > 0 ? 1 : 0;

async function copy(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "mutants-"));
  await Promise.all(copied.map((name) => cp(join(root, name), join(folder, name), { recursive: true })));
  await symlink(join(root, "node_modules"), join(folder, "node_modules"));
  return folder;
}

/** Plants the mutant, plays, and puts the original back. */
async function judge(mutant: Mutant): Promise<[isCaught: boolean, told: string]> {
  const planted = [mutant, ...mutant.besides === undefined ? [] : [mutant.besides]];
  const originals = new Map<string, string>();
  for (const { file } of planted) originals.set(file, await readFile(join(folder, file), "utf8"));
  const changed = new Map(originals);
  for (const each of planted) {
    const mutated = applied(each, changed.get(each.file) ?? "");
    if (mutated === undefined) return [false, `NOT CAUGHT: its text is not found once in ${each.file}`];
    changed.set(each.file, mutated);
  }
  const write = async (files: ReadonlyMap<string, string>): Promise<void> => {
    for (const [file, source] of files) await writeFile(join(folder, file), source);
  };
  const plant = async <T>(task: () => Promise<T>): Promise<T> => {
    await write(changed);
    return await task().finally(() => write(originals));
  };
  return mutant.scene === undefined ? await judgeByHistories(plant) : await judgeByScene(mutant.scene, plant);
}

type Plant = <T>(task: () => Promise<T>) => Promise<T>;

async function judgeByHistories(plant: Plant): Promise<[isCaught: boolean, told: string]> {
  const verdict = await plant(() => play(from, histories));
  if (verdict === undefined) return [false, `NOT CAUGHT in ${histories}`];
  const { seed, kind, problem } = verdict;
  if (await play(seed, 1) !== undefined) return [false, `NOT CAUGHT: seed ${seed} fails without it, too`];
  return [true, `caught after ${seed - from + 1} histories by ${kind} (${problem.slice(0, 160)})`];
}

async function judgeByScene(scene: string, plant: Plant): Promise<[isCaught: boolean, told: string]> {
  const file = await sceneFileOf(scene);
  const playScenes = (): Promise<Ended> => run(["test/run.ts", `sim/${file}`]);
  if (!unplanted.has(file)) unplanted.set(file, playScenes());
  if ((await unplanted.get(file))?.status !== 0) {
    return [false, "NOT CAUGHT: the scenes fail without it, too"];
  }
  const { output } = await plant(playScenes);
  const isCaught = output.split("\n").some((line) => line.includes("FAIL") && line.includes(`"${scene}"`));
  return [isCaught, isCaught ? `caught by a scene (${scene})` : `NOT CAUGHT by the scene (${scene})`];
}

/** Plays histories until one fails; `undefined` where none does. */
async function play(from: number, histories: number): Promise<Verdict | undefined> {
  const args = ["test/sim/run.ts", "--stop", "--from", String(from), "--histories", String(histories)];
  const { output, status, isSilent } = await run(args);
  const [, failed, kind = "", problem = ""] = /^seed (\d+) fails by (.*?): (.*)$/m.exec(output) ?? [];
  if (failed !== undefined) return { seed: Number(failed), kind, problem };
  const played = [...output.matchAll(/^played seed (\d+)$/gm)].length;
  if (isSilent) return { seed: from + played, kind: "SILENT", problem: "the history does not end" };
  if (status === 0) return undefined;
  return { seed: from + played, kind: "CRASH", problem: output.trim().split("\n").at(-1) ?? "" };
}

interface Ended {
  readonly output: string;
  readonly status: number | null;
  /** Whether it was ended, as it printed nothing for too long. */
  readonly isSilent: boolean;
}

/** Runs a program of the copy. */
function run(args: readonly string[]): Promise<Ended> {
  const env = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
  const tsx = join(folder, "node_modules", ".bin", "tsx");
  const child = spawn(tsx, args, { cwd: folder, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let isSilent = false;
  const watch = setTimeout(() => {
    isSilent = true;
    // With the process that tsx has started.
    process.kill(-(child.pid ?? 0), "SIGKILL");
  }, silentAtMostMs);
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      output += data;
      watch.refresh();
    });
  }
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => {
      clearTimeout(watch);
      resolve({ output, status, isSilent });
    });
  });
}
