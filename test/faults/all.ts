/**
 * The full proof that nothing is lost, on both runtimes at once; `npm run test:faults -- --seed=N` repeats a run.
 * The last line is `N passed, N failed`.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bin = join(root, "node_modules", ".bin");
const seed = process.argv.slice(2).find((argument) => argument.startsWith("--seed=")) ??
  `--seed=${Date.now() % 1_000_000}`;

const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  Node: [join(bin, "tsx"), "test/faults/run.ts", seed],
  Deno: [join(bin, "deno"), "run", "--quiet", "--frozen", "-P=test", "test/faults/run.ts", seed],
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
const results = await Promise.all(Object.entries(commands).map(([name, command]) => run(name, command)));
const [passed, failed] = results.reduce((sum, counts) => [sum[0] + counts[0], sum[1] + counts[1]]);
console.log(`\n${((performance.now() - started) / 60_000).toFixed(1)} minutes, ${seed}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
