/**
 * Runs every `*.test.ts` under `test/`, or those whose path or name begins with an argument: `chats`, `chats/consent`,
 * `consent`. With `--part=1/2` the first half of them, by the time that they take.
 */
import { readdirSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { run } from "uvu/run";
import { partOf } from "./tools/support/parts.ts";

const here = new URL(".", import.meta.url);
const { values, positionals: wanted } = parseArgs({
  options: { part: { type: "string", default: "1/1" } },
  allowPositionals: true,
});
const [part = NaN, parts = NaN] = values.part.split("/").map(Number);
const isWanted = (path: string): boolean =>
  wanted.length === 0 ||
  wanted.some((start) => path.startsWith(start) || path.slice(path.lastIndexOf("/") + 1).startsWith(start));
const files = readdirSync(here, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".test.ts") && isWanted(path));
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
