/**
 * All measurements, or those that are named, on both runtimes, one after another: they would disturb each other.
 *
 *     npm run bench [-- storage inbound load import newcomer]
 *
 * A run of all writes RESULTS.md. Exit status: 1 if a target was missed.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root, runWell } from "./child.ts";
import { resultsPage } from "./results.ts";
import { cells, headings, isMet, type Row } from "./row.ts";
import { textTable } from "./table.ts";

const benches = ["storage", "inbound", "load", "import", "newcomer"];
const bin = join(root, "node_modules", ".bin");
const deno = join(bin, "deno");
const runtimes: ReadonlyMap<string, readonly [string, ...string[]]> = new Map([
  ["Node", [join(bin, "tsx")]],
  ["Deno", [deno, "run", "--frozen", "--quiet", "-P=test"]],
]);

async function rowsOf(bench: string, runtime: string): Promise<Row[]> {
  const [program, ...args] = runtimes.get(runtime) as readonly [string, ...string[]];
  const file = fileURLToPath(new URL(`${bench}.ts`, import.meta.url));
  const env = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
  const start = performance.now();
  const output = await runWell(program, [...args, file, "--json"], { env });
  console.error(`${bench} on ${runtime}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as Row[];
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !benches.includes(name));
  if (unknown.length > 0) {
    return console.error(`There is no ${unknown.join(" or ")}, only ${benches.join(", ")}.`), 2;
  }
  const rows = new Map<string, Row[]>([...runtimes.keys()].map((runtime) => [runtime, []]));
  for (const bench of benches.filter((name) => names.length === 0 || names.includes(name))) {
    for (const [runtime, list] of rows) list.push(...await rowsOf(bench, runtime));
  }
  const lines = [...rows].flatMap(([runtime, list]) => list.map((row) => [runtime, ...cells(row)]));
  console.log(`\n${textTable([["", ...headings], ...lines])}`);
  if (names.length === 0) {
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
