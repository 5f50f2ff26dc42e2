/** How long it takes to import the package, in processes that have just begun. */
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root, runtime, runWell } from "./child.ts";
import { report } from "./report.ts";
import type { Row } from "./row.ts";
import { type Cost, medianOf, ratioOf, takeTurns } from "./sample.ts";

const rounds = 31;

/** What a bot in DynamoDB cannot do without. */
const dependencies = ["grammy/web", "@aws-sdk/client-dynamodb"];

function entryPoint(): string {
  return pathToFileURL(join(root, runtime === "Deno" ? "mod.ts" : "dist/mod.js")).href;
}

/** As users of the npm package have it; Deno takes the sources. */
async function build(): Promise<void> {
  if (runtime === "Node") await runWell("npm", ["run", "build"]);
}

/** From before the first module is read until all have run. */
async function importOf(names: readonly string[]): Promise<Cost> {
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
  const output = await runWell(process.execPath, args);
  return JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? "") as Cost;
}

function row(measure: string, ours: readonly number[], bare: readonly number[]): Row {
  return {
    measure,
    unit: " ms",
    ours: medianOf(ours),
    other: { name: dependencies.join(" + "), value: medianOf(bare) },
    ratio: ratioOf(ours, bare),
  };
}

await report(async () => {
  await build();
  const { ours, bare } = await takeTurns(rounds, {
    ours: () => importOf([entryPoint()]),
    bare: () => importOf(dependencies),
  });
  const time = (costs: readonly Cost[]): number[] => costs.map(({ seconds }) => 1000 * seconds);
  const cpu = (costs: readonly Cost[]): number[] => costs.map(({ cpuSeconds }) => 1000 * cpuSeconds);
  return [
    {
      ...row("import of the package", time(ours), time(bare)),
      target: { of: "ratio", is: "at most", value: 1.15 },
    },
    row("import of the package: CPU", cpu(ours), cpu(bare)),
  ];
});
