/**
 * Shows that the search of what the suite writes finds a token: plants one leak at a time in a copy of the code, and runs a
 * small part of the suite there. The search for it is in `test/support/leaks.ts`.
 * The last line is `N passed, N failed`.
 */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { leakIn } from "../support/leaks.ts";
import { modules, root, run } from "./support/program.ts";

interface Leak {
  /** Where the search is to find it: what was written to, as it calls that. */
  readonly places: readonly string[];
  readonly file: string;
  readonly original: string;
  readonly planted: string;
  /** The part of the suite. */
  readonly part: string;
}

const leaks: readonly Leak[] = [
  {
    places: ["the log", "a report", "a table"],
    file: "lib/util/safe_text.ts",
    original: "export function redact(text: string): string {\n",
    planted: "export function redact(text: string): string {\n  if (text) return text;\n",
    part: "util/safe_text",
  },
  {
    places: ["the file spool.log"],
    file: "lib/bot/bot.ts",
    original: "    const { createRuntime } = await wiring.get();\n",
    planted: "    const { createRuntime } = await wiring.get();\n" +
      "    const { spoolFile } = this.#options;\n" +
      '    if (spoolFile) (await import("node:fs")).writeFileSync(`${spoolFile}.log`, grammy.token);\n',
    part: "bot/wiring",
  },
  {
    places: ["standard output"],
    file: "lib/bot/bot.ts",
    original: "    const { botToken, ...rest } = resolveOptions(options);\n",
    planted:
      "    const { botToken, ...rest } = resolveOptions(options);\n    console.log(`A bot: ${botToken}`);\n",
    part: "bot/plugin",
  },
];

/** What a part of the suite needs; `node_modules` is linked. */
const copied = ["lib", "test", "mod.ts", "package.json", "tsconfig.json"];

/** Standard output is searched by `test/tools/all.ts`. */
function isFound(place: string, output: string): boolean {
  return place === "standard output"
    ? leakIn(output) !== undefined
    : output.includes(`a token was written to ${place}:`);
}

/** Plants the leak, runs the part, and puts the original back. Gives why it was not found. */
async function whyNotFound(folder: string, { places, file, original, planted, part }: Leak): Promise<string> {
  const path = join(folder, file);
  const source = await readFile(path, "utf8");
  if (source.split(original).length !== 2) return `its place is not found once in ${file}`;
  await writeFile(path, source.replace(original, () => planted));
  try {
    const { output } = await run(folder, join(modules, ".bin", "tsx"), "test/run.ts", part);
    const missed = places.filter((place) => !isFound(place, output));
    return missed.length === 0 ? "" : `the search does not find it in ${missed.join(", ")}:\n${output}`;
  } finally {
    await writeFile(path, source);
  }
}

const folder = await mkdtemp(join(tmpdir(), "leaks-"));
let failed = 0;
try {
  await Promise.all(copied.map((name) => cp(join(root, name), join(folder, name), { recursive: true })));
  await symlink(modules, join(folder, "node_modules"));
  for (const leak of leaks) {
    const why = await whyNotFound(folder, leak);
    if (why !== "") failed++;
    const place = leak.places.join(", ");
    console.log(why === "" ? `found: a leak to ${place}` : `FAIL a leak to ${place}: ${why}`);
  }
} finally {
  await rm(folder, { recursive: true });
}
console.log(`${leaks.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
