/**
 * The suite on every runtime that is promised, one after another:
 *
 *     npm run test:runtimes [-- "Node 22" Bun] [--files broadcast,telegram]
 *
 * What this machine has not, npm may have: runtimes are packages there. One line each; the last one sums up.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { root, run } from "./support/program.ts";

interface Candidate {
  /** What it is called on the command line. */
  readonly name: string;
  /** Says where its program is, from the machine or from the cache of npx. */
  readonly locate: readonly [string, ...string[]];
  /** What comes between the program and the script. */
  readonly args: readonly string[];
}

/** Sources as they are run by no Node before 24: `await using` is more than types. */
const node = (version: number, args: readonly string[] = ["--import", "tsx"]): Candidate => ({
  name: `Node ${version}`,
  locate: ["npx", "--yes", `--package=node@${version}`, "--", "node", "-p", "process.execPath"],
  args,
});

const candidates: readonly Candidate[] = [
  node(20),
  node(22),
  node(24),
  { ...node(24, []), name: "Node 24 without tsx" },
  node(26),
  {
    name: "Deno",
    locate: ["deno", "eval", "console.log(Deno.execPath())"],
    args: ["run", "--frozen", "--quiet", "-P=test"],
  },
  {
    name: "Bun",
    locate: ["npx", "--yes", "--package=bun@1", "--", "bun", "-p", "process.execPath"],
    args: ["--no-install"],
  },
];

const limitMs = 30 * 60_000;

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** Its program's path; undefined where it cannot be had. */
async function programOf({ locate: [program, ...args] }: Candidate): Promise<string | undefined> {
  const { code, output } = await run(root, program, ...args).catch((error: Error) => ({
    code: null,
    output: error.message,
  }));
  const path = output.trim().split("\n").at(-1)?.trim();
  return code === 0 && path?.startsWith("/") ? path : undefined;
}

/** A run that ended badly, or without its last line, has a failure more. */
async function testOn(program: string, { args }: Candidate, files: readonly string[]): Promise<Counts> {
  const { code, output } = await run(
    { folder: root, env: {}, limitMs },
    program,
    ...args,
    "test/run.ts",
    ...files,
  );
  const [, passed = "0", failed = "0"] = /^(\d+) passed, (\d+) failed$/m.exec(output) ?? [];
  const counts = { passed: Number(passed), failed: Math.max(Number(failed), code === 0 ? 0 : 1) };
  if (counts.failed > 0) console.log(failuresIn(output));
  return counts;
}

/** What is worth reading of an output: what follows a suite's dots. */
function failuresIn(output: string): string {
  const lines = output.split("\n").filter((line) => !/^\s*$|^\S+\.test\.ts$|\(\d+ \/ \d+\)$/.test(line));
  return lines.slice(0, 300).join("\n");
}

async function report(candidate: Candidate, files: readonly string[]): Promise<Counts> {
  const program = await programOf(candidate);
  if (program === undefined) {
    console.log(`${candidate.name}: not found, neither here nor on npm`);
    return { passed: 0, failed: 0 };
  }
  const start = performance.now();
  const { output } = await run(root, program, "--version");
  const version = /\d+\.\d+\.\d+/.exec(output)?.[0] ?? "";
  const counts = await testOn(program, candidate, files);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(
    `${candidate.name} (${version}): ${counts.passed} passed, ${counts.failed} failed, ${seconds} s`,
  );
  return counts;
}

const { values, positionals } = parseArgs({
  options: { files: { type: "string", default: "" } },
  allowPositionals: true,
});
const unknown = positionals.filter((wanted) => !candidates.some(({ name }) => name === wanted));
if (unknown.length > 0) {
  console.error(
    `There is no ${unknown.join(" or ")}, only ${candidates.map(({ name }) => name).join(", ")}.`,
  );
  process.exit(2);
}
const total = { passed: 0, failed: 0 };
for (const candidate of candidates) {
  if (positionals.length > 0 && !positionals.includes(candidate.name)) continue;
  const { passed, failed } = await report(candidate, values.files.split(",").filter(Boolean));
  total.passed += passed;
  total.failed += failed;
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
