/**
 * Runs every `test/*.test.ts`, or those whose name begins with an argument; with `--part=1/2` the first half of them,
 * by the time that they take.
 */
import { readdirSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { run } from "uvu/run";
import { partOf } from "./support/parts.ts";

const here = new URL(".", import.meta.url);
const { values, positionals: wanted } = parseArgs({
  options: { part: { type: "string", default: "1/1" } },
  allowPositionals: true,
});
const [part = NaN, parts = NaN] = values.part.split("/").map(Number);
const files = readdirSync(here)
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)));
const suites = partOf(files.sort(), part, parts)
  // uvu puts "file:///" before it.
  .map((name) => ({ name, file: new URL(name, here).pathname.slice(1) }));

const { bun, deno, node } = process.versions;
console.log(deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`);

await run(suites, { bail: false });

// Not before run(): uvu looks only once, when it is first imported, whether a runner is there.
const { report } = await import("./harness.ts");

setTimeout(() => {
  const open = "getActiveResourcesInfo" in process ? process.getActiveResourcesInfo().join(", ") : "";
  report(`still running 3 s after the last test: something was left open (${open})`);
  process.exit(1);
}, 3000).unref();
