/**
 * Both ends of what package.json promises: with the lowest version of each dependency and each peer, and with the highest that
 * the registry has, the package is installed, and does a bit of everything on the oldest and on the newest runtimes.
 *
 *     npm run test:ranges [-- lowest]
 *
 * One line each; the last one sums up.
 */
import { cpSync, existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { manifestOf, type Packed, removePackage, thePackage } from "./support/packed.ts";
import { root, run, succeeds } from "./support/program.ts";

const limitMs = 10 * 60_000;

/** `^1.46.0`, `>=20` and `1.0.16` begin with the lowest version that they allow. */
const lowest = (range: string): string => range.replace(/^\D+/, "");

interface End {
  readonly name: string;
  /** The version to install of a package with this range. */
  readonly version: (range: string) => string;
}

const ends: readonly End[] = [
  { name: "lowest", version: lowest },
  { name: "highest", version: (range) => range },
];

interface Runtime {
  readonly package: string;
  /** As npm names versions. */
  readonly version: string;
  readonly args: readonly string[];
}

function runtimes(): Runtime[] {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    engines: Readonly<Record<"node" | "bun", string>>;
  };
  const whole = (range: string): string => `${lowest(range)}.0.0`.split(".").slice(0, 3).join(".");
  return (["node", "bun"] as const).flatMap((name) => {
    const args = name === "bun" ? ["--no-install"] : [];
    return [whole(engines[name]), "latest"].map((version) => ({ package: name, version, args }));
  });
}

/** A project with the tarball, where each package has the end's version; throws if npm has installed another one. */
async function install(packed: Packed, { name, version }: End): Promise<string> {
  const folder = join(packed.folder, name);
  const { dependencies, peerDependencies } = manifestOf(packed);
  const wanted = Object.entries({ ...dependencies, ...peerDependencies }).map(([each, range]) =>
    [each, version(range)] as const
  );
  await mkdir(folder);
  await writeFile(
    join(folder, "package.json"),
    JSON.stringify({
      dependencies: { "telegram-signals": `file:${packed.tarball}`, ...Object.fromEntries(wanted) },
    }),
  );
  const args = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-online"];
  await succeeds({ folder, env: {}, limitMs }, "npm", "install", ...args);
  const modules = join(folder, "node_modules");
  const versionOf = (each: string): string =>
    (JSON.parse(readFileSync(join(modules, each, "package.json"), "utf8")) as { version: string }).version;
  console.log(`${name}: ${wanted.map(([each]) => `${each} ${versionOf(each)}`).join(", ")}`);
  for (const [each, range] of wanted) {
    const isOwn = existsSync(join(modules, "telegram-signals", "node_modules", each));
    if (isOwn || (/^\d/.test(range) && versionOf(each) !== range)) {
      throw new Error(`npm has not installed ${each} ${range} alone.`);
    }
  }
  cpSync(join(root, "test", "tools", "support", "smoke.mjs"), join(folder, "smoke.mjs"));
  return folder;
}

const expected = ["dynamodb, 1 sent, a picture", "by proxy", "ccxt"];

/** Whether it works there; says so. */
async function tryOn(folder: string, end: End, runtime: Runtime): Promise<boolean> {
  const name = `${runtime.package}@${runtime.version}`;
  const npx = ["--yes", `--package=${name}`, "--", runtime.package];
  // Bun would read it, whoever has left it there.
  await rm(join(folder, ".env"), { force: true });
  const { output: version } = await run(folder, "npx", ...npx, "--version");
  const { code, output } = await run(
    { folder, env: {}, limitMs: 60_000 },
    "npx",
    ...npx,
    ...runtime.args,
    "smoke.mjs",
  );
  const lines = output.split("\n");
  const isGood = code === 0 && expected.every((line) => lines.includes(line));
  console.log(`${end.name}, ${name} (${version.trim()}): ${isGood ? "good" : `bad\n${output}`}`);
  return isGood;
}

const chosen = process.argv.slice(2);
const total = { passed: 0, failed: 0 };
try {
  for (const end of ends.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
    const folder = await install(await thePackage(), end);
    for (const runtime of runtimes()) total[await tryOn(folder, end, runtime) ? "passed" : "failed"]++;
    await rm(folder, { recursive: true });
  }
} finally {
  await removePackage();
}
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
