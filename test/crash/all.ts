/**
 * The full proof that nothing is lost, nothing sent twice, and that a signal gets out, on both runtimes at once. `npm run
 * test:crash -- --seed=N` repeats a run; `--only=updates` (or `broadcasts`, `schedulers`, `instances`, `signals`, `adversaries`,
 * `outages`) runs one part; `--count=N`, `--at-once=N` and `--row=TEXT` are those of `run.ts`. The last line is
 * `N passed, N failed`.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseRunOptions, parts } from "./parts.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const { only, seed, args } = parseRunOptions();

const runtimes: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Node: [join(bin, "tsx")],
  Deno: [join(bin, "deno"), "run", "--quiet", "--frozen", "-P=test"],
};

/** Shows what it prints, line by line, and resolves to its counts. */
function run(runtime: string, [program, ...args]: readonly [string, ...string[]]): Promise<[number, number]> {
  return new Promise((resolve) => {
    const env = { ...process.env, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" };
    const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let counts: [number, number] | undefined;
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        const [, passed, failed] = /^(\d+) passed, (\d+) failed$/.exec(line) ?? [];
        if (passed !== undefined) counts = [Number(passed), Number(failed)];
        else console.log(`${runtime}  ${line}`);
      });
    }
    child.once("error", (error) => console.log(`${runtime}  ${error.message}`));
    child.once("close", (status) => {
      const [passed, failed] = counts ?? [0, 1];
      resolve([passed, status === 0 ? failed : Math.max(failed, 1)]);
    });
  });
}

const started = performance.now();
const counts: [number, number][] = [];
for (const name of Object.keys(parts)) {
  if (only !== undefined && only !== name) continue;
  const both = Object.entries(runtimes).map(([runtime, command]) =>
    run(runtime, [...command, "test/crash/run.ts", name, ...args])
  );
  counts.push(...await Promise.all(both));
}
const passed = counts.reduce((sum, [count]) => sum + count, 0);
const failed = counts.reduce((sum, [, count]) => sum + count, counts.length > 0 ? 0 : 1);
console.log(`\n${((performance.now() - started) / 60_000).toFixed(1)} minutes, --seed=${seed}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
