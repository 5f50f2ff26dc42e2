/**
 * The whole gate: types, format and lint, then the suite on both runtimes, and a part of it on Bun. A step's output is shown
 * when it fails. With `--only=Node` those steps alone whose titles contain the word; further arguments are the files of
 * `test/run.ts`, which then runs alone and shows its output.
 * The last line is `N passed, N failed`: each static step counts as one test, each suite as those that it ran.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { leakIn } from "../support/leaks.ts";
import { filesApart } from "./support/parts.ts";

interface Step {
  readonly title: string;
  /** A program of node_modules/.bin, and its arguments. */
  readonly command: readonly [string, ...string[]];
  /** Whether its last line says how many tests passed and failed. */
  readonly counts?: true;
}

interface Result {
  readonly title: string;
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
}

const onNode = ["tsx", "test/run.ts"] as const;
const onDeno = ["deno", "run", "--frozen", "-P=test", "test/run.ts"] as const;
const parts = [1, 2, 3, 4].map((part) => `${part}/4`);

/** A suite, in parts that run beside each other. */
function inParts(runtime: string, command: Step["command"]): Step[] {
  const shares = parts.map((part) => ({
    title: `tests on ${runtime}, ${part}`,
    command: [...command, `--part=${part}`] as const,
    counts: true as const,
  }));
  return [
    { title: `simulation on ${runtime}`, command: [...command, ...filesApart], counts: true },
    ...shares,
  ];
}

/**
 * The longest first, so that none is left to run alone at the end; the suites are even among themselves. The build's
 * types, which have no DOM, are checked by the package's step, which builds it.
 */
const steps: readonly Step[] = [
  { title: "storage on DynamoDB Local", command: ["tsx", "test/tools/dynamodb_local.ts"], counts: true },
  { title: "consumers", command: ["tsx", "test/tools/consumers.ts"], counts: true },
  { title: "package", command: ["tsx", "test/tools/package.ts"], counts: true },
  ...inParts("Node", onNode),
  { title: "playground in a browser", command: ["tsx", "test/tools/browser.ts"], counts: true },
  ...inParts("Deno", onDeno),
  { title: "types (deno check)", command: ["deno", "check", "--frozen"] },
  { title: "networks on Bun", command: ["tsx", "test/tools/bun.ts"], counts: true },
  { title: "bundle", command: ["tsx", "test/tools/bundle.ts"], counts: true },
  { title: "AWS Lambda", command: ["tsx", "test/tools/lambda.ts"], counts: true },
  { title: "supply chain", command: ["tsx", "test/tools/supply_chain.ts"], counts: true },
  { title: "planted leaks", command: ["tsx", "test/tools/leaks.ts"], counts: true },
  { title: "notebook in Deno's kernel", command: ["tsx", "test/tools/notebook.ts"], counts: true },
  { title: "types (tsc)", command: ["tsc"] },
  { title: "lint (deno lint)", command: ["deno", "lint"] },
  { title: "format (deno fmt)", command: ["deno", "fmt", "--check"] },
];
const { values: { only }, positionals: files } = parseArgs({
  options: { only: { type: "string", default: "" } },
  allowPositionals: true,
});
const limitMs = 20 * 60_000;
const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const environment = {
  ...process.env,
  PATH: `${bin}${delimiter}${process.env["PATH"]}`,
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
};

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly output: string;
}

/** The steps that run. Each leads a process group, so that what it has started ends with it. */
const running = new Set<ChildProcess>();

function kill(step: ChildProcess): void {
  try {
    process.kill(-step.pid!, "SIGKILL");
  } catch {
    step.kill("SIGKILL");
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    running.forEach(kill);
    process.exit(1);
  });
}

function execute([program, ...parameters]: Step["command"]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(join(bin, program), parameters, {
      cwd: root,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    running.add(child);
    let stdout = "";
    let output = "";
    const timer = setTimeout(() => {
      output += `It was ended, as it had run for ${limitMs / 60_000} minutes.\n`;
      kill(child);
    }, limitMs);
    child.on("close", () => {
      clearTimeout(timer);
      running.delete(child);
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => output += text);
    child.on("error", (error) => resolve({ code: null, stdout, output: `${output}${error.message}\n` }));
    child.on("close", (code) => resolve({ code, stdout, output }));
  });
}

/** What the output says of failures, or its end where it does not say. */
function failuresIn(output: string): string {
  const lines = output.trimEnd().split("\n");
  const told = lines.filter((line) => /^\s*(FAIL|PROBLEM) /.test(line));
  return (told.length > 0 ? told : lines.slice(-5)).join("\n");
}

/** A suite that ended without its last line, or badly in spite of it, is a failure more. */
function judge(step: Step, ended: Ended): Result {
  const leak = leakIn(ended.output);
  if (leak === undefined) return judgeEnd(step, ended);
  const output = `  PROBLEM a token was printed: …${leak}…\n`;
  return { ...judgeEnd(step, ended), failed: 1, output };
}

function judgeEnd(step: Step, { code, stdout, output }: Ended): Result {
  const ended = code === 0;
  const { title } = step;
  if (!step.counts) return { title, passed: ended ? 1 : 0, failed: ended ? 0 : 1, output };
  const [, passed, failed] =
    /^(\d+) passed, (\d+) failed\s*$/m.exec(stdout.split("\n").slice(-2).join("\n")) ?? [];
  if (passed === undefined) {
    return { title, passed: 0, failed: 1, output: `${output}\nIt ended without counts.\n` };
  }
  return { title, passed: Number(passed), failed: Math.max(Number(failed), ended ? 0 : 1), output };
}

async function run(step: Step): Promise<Result> {
  const start = performance.now();
  const result = judge(step, await execute(step.command));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const failures = result.failed === 0 ? "" : `, ${result.failed} failed`;
  const [notRun] = /^not run: .*$/m.exec(result.output) ?? [];
  const outcome = notRun ?? `${result.passed} passed${failures}`;
  console.log(`${step.title.padEnd(26)} ${`${seconds} s`.padStart(7)}   ${outcome}`);
  if (result.failed > 0) console.log(`\n$ ${step.command.join(" ")}\n${result.output.trimEnd()}\n`);
  return result;
}

/** Two at a time on each core, as the suites wait, too. Not more, as their tests have time limits. */
async function runAll(): Promise<Result[]> {
  const waiting = steps.filter(({ title }) => title.includes(only));
  const results: Result[] = [];
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      results.push(await run(step));
    }
  };
  await Promise.all(Array.from({ length: Math.min(8, 2 * availableParallelism()) }, worker));
  return results;
}

/** Runs some files of a suite. */
async function runFiles(): Promise<number> {
  const [program, ...parameters] = only.includes("Deno") ? onDeno : onNode;
  const child = spawn(join(bin, program), [...parameters, ...files], {
    ...{ cwd: root, env: environment, stdio: "inherit" },
  });
  return await new Promise((resolve) => child.on("close", (code) => resolve(code ?? 1)));
}

if (files.length > 0) process.exit(await runFiles());
const results = await runAll();
// Once more at the end, as of a long log often only the end is kept.
for (const { title, failed, output } of results) {
  if (failed > 0) console.log(`\n${title}: ${failed} failed\n${failuresIn(output)}`);
}
const sum = (key: "passed" | "failed"): number => results.reduce((total, result) => total + result[key], 0);
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
process.exitCode = sum("failed") > 0 ? 1 : 0;
