/** How long modules take to import, in processes that have just begun. */
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root, runtime, runWell } from "./child.ts";
import type { Cost } from "./sample.ts";

/** As users of the npm package have it; Deno takes the sources. */
export function entryPoint(): string {
  return pathToFileURL(join(root, runtime === "Deno" ? "mod.ts" : "dist/mod.js")).href;
}

/** What `entryPoint` names is there. */
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
  const output = await runWell(process.execPath, args, { cwd: folder });
  return JSON.parse(/^\{.*\}$/m.exec(output)?.[0] ?? "") as Cost;
}
