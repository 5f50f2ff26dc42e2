/**
 * Takes all measurements, or those that are named, on both runtimes, one after another: they would disturb each other.
 *
 *     npm run bench [-- storage inbound load import newcomer chart strategies broadcast first_message cost adoption broadcast_million]
 *
 * The last of them takes many minutes and runs only where it is named. A run of all others, or of `all`, writes
 * RESULTS.md. Exit status: 1 if a target was missed.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { textTable } from "../support/table.ts";
import { type BenchName, benchNames, longest } from "./benches.ts";
import { root, runForJson, runWell } from "./processes.ts";
import { cells, headings, isMet, type Row } from "./report.ts";
import { resultsPage } from "./results.ts";

const usual = benchNames.filter((name) => name !== longest);
const bin = join(root, "node_modules", ".bin");
const deno = join(bin, "deno");
const runtimes: ReadonlyMap<string, readonly [string, ...string[]]> = new Map([
  ["Node", [join(bin, "tsx")]],
  ["Deno", [deno, "run", "--frozen", "--quiet", "-P=test"]],
]);

async function rowsOf(bench: BenchName, runtime: string): Promise<Row[]> {
  const [program, ...args] = runtimes.get(runtime) as readonly [string, ...string[]];
  const file = fileURLToPath(new URL("child.ts", import.meta.url));
  const env = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
  const start = performance.now();
  const rows = await runForJson<Row[]>(program, [...args, file, "measure", bench, "--json"], { env });
  console.error(`${bench} on ${runtime}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  return rows;
}

/** The measurements that are named; without a name the usual ones. */
function chosen(names: readonly string[]): readonly BenchName[] {
  if (names.includes("all")) return benchNames;
  return names.length === 0 ? usual : benchNames.filter((name) => names.includes(name));
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => ![...benchNames, "all"].includes(name));
  if (unknown.length > 0) {
    console.error(`There is no ${unknown.join(" or ")}, only ${benchNames.join(", ")}, or all.`);
    return 2;
  }
  const rows = new Map<string, Row[]>([...runtimes.keys()].map((runtime) => [runtime, []]));
  const wanted = chosen(names);
  for (const bench of wanted) {
    for (const [runtime, list] of rows) list.push(...await rowsOf(bench, runtime));
  }
  const lines = [...rows].flatMap(([runtime, list]) => list.map((row) => [runtime, ...cells(row)]));
  console.log(`\n${textTable([["", ...headings], ...lines])}`);
  if (usual.every((name) => wanted.includes(name))) {
    const page = fileURLToPath(new URL("RESULTS.md", import.meta.url));
    await writeFile(page, resultsPage(rows, deno));
    await runWell(deno, ["fmt", "--quiet", page]);
  }
  const missed = [...rows.values()].flat().filter((row) => isMet(row) === false).length;
  console.log(missed === 0 ? "\nAll targets met." : `\n${missed} missed.`);
  return missed === 0 ? 0 : 1;
}

main(process.argv.slice(2)).then((status) => {
  process.exitCode = status;
}, (error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
