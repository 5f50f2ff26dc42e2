/** How long it takes to import the package, in processes that have just begun. */
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root, runForJson, runtime, runWell } from "./processes.ts";
import { comparison, type Row } from "./report.ts";
import { type Cost, takeTurns } from "./sampling.ts";

const rounds = 31;

/** The packages that any bot with DynamoDB needs. */
const dependencies = ["grammy/web", "@aws-sdk/client-dynamodb"];

/** As users of the npm package have it; Deno takes the sources. */
export function entryPoint(): string {
  return pathToFileURL(join(root, runtime === "Deno" ? "mod.ts" : "dist/mod.js")).href;
}

/** Builds what `entryPoint` names, where that is needed. */
export async function build(): Promise<void> {
  if (runtime === "Node") await runWell("npm", ["run", "build"]);
}

/** From before the first module is read until all have run; packages are those of the folder. */
export async function importOf(names: readonly string[], folder: string = root): Promise<Cost> {
  const program = `const names = ${JSON.stringify(names)};
    const start = performance.now();
    const cpu = process.cpuUsage();
    await Promise.all(names.map((name) => import(name)));
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - start) / 1000;
    console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
    process.exit();`;
  const args = runtime === "Deno"
    ? ["eval", "--quiet", `import process from "node:process";${program}`]
    : ["--input-type=module", "--eval", program];
  return await runForJson<Cost>(process.execPath, args, { cwd: folder });
}

export async function measure(): Promise<Row[]> {
  await build();
  const { ours, bare } = await takeTurns(rounds, {
    ours: () => importOf([entryPoint()]),
    bare: () => importOf(dependencies),
  });
  const time = (costs: readonly Cost[]): number[] => costs.map(({ seconds }) => 1000 * seconds);
  const cpu = (costs: readonly Cost[]): number[] => costs.map(({ cpuSeconds }) => 1000 * cpuSeconds);
  const name = dependencies.join(" + ");
  return [
    comparison("import of the package", " ms", time(ours), { name, values: time(bare) }, {
      of: "ratio",
      is: "at most",
      value: 1.15,
    }),
    comparison("import of the package: CPU", " ms", cpu(ours), { name, values: cpu(bare) }),
  ];
}
