/** What a file of measurements does with its rows: shows them, or hands them to `all.ts`. */
import process from "node:process";
import { cells, headings, isMet, type Row } from "./row.ts";
import { textTable } from "./table.ts";

/** Exit status: 1 if a target was missed. With `--json` the rows are for a program. */
export async function report(measure: () => Promise<Row[]>): Promise<void> {
  const rows = await measure();
  if (process.argv.includes("--json")) return console.log(JSON.stringify(rows));
  console.log(textTable([headings, ...rows.map(cells)]));
  if (rows.some((row) => isMet(row) === false)) process.exitCode = 1;
}
