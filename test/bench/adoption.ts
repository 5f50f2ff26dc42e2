/** What a project takes on with this package, beside grammY and what its DynamoDB session storage needs. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { root, runtime, runWell } from "./processes.ts";
import { entryPoint, importOf } from "./import.ts";
import { comparison, type Row } from "./report.ts";
import { takeTurns } from "./sampling.ts";

const rounds = 15;

/** The packages that the adapter depends on; the adapter itself, a few kilobytes, is not on every registry. */
const dependencies = ["grammy", "@aws-sdk/client-dynamodb", "@aws-sdk/lib-dynamodb"];
const other = "grammY + its DynamoDB storage's packages";

/** What such a bot uses of them. */
const program = `export { Bot, session } from "grammy";
export { DynamoDBClient } from "@aws-sdk/client-dynamodb";
export { DeleteCommand, DynamoDBDocumentClient, GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
`;

/** esbuild's options: those of `npm run bundle`, which keep names, and those for the smallest file. */
const kept = ["--minify-whitespace", "--minify-syntax"];
const smallest = ["--minify"];

interface Installed {
  readonly folder: string;
  readonly entry: string;
}

async function install(folder: string, packages: readonly string[], entry: string): Promise<Installed> {
  await mkdir(folder);
  await writeFile(join(folder, "package.json"), '{"private":true,"type":"module"}');
  await runWell("npm", ["install", "--no-audit", "--no-fund", "--silent", ...packages], { cwd: folder });
  await writeFile(join(folder, "entry.js"), entry);
  return { folder, entry: join(folder, "entry.js") };
}

async function pack(folder: string): Promise<string> {
  await runWell("npm", ["pack", "--silent", "--pack-destination", folder]);
  return join(folder, readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "");
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());

const megabytesIn = (folder: string): number =>
  filesIn(join(folder, "node_modules")).reduce((sum, path) => sum + statSync(path).size, 0) / 1e6;

/** How many packages npm has installed, by its own list. */
function packagesIn(folder: string): number {
  const list = readFileSync(join(folder, "node_modules", ".package-lock.json"), "utf8");
  return Object.keys((JSON.parse(list) as { packages: object }).packages).length;
}

interface Size {
  readonly raw: number;
  readonly gzip: number;
}

/** In kilobytes. */
async function bundledSize({ folder, entry }: Installed, minify: readonly string[]): Promise<Size> {
  const file = join(folder, "bundle.mjs");
  const esbuild = join(root, "node_modules", ".bin", "esbuild");
  const form = ["--bundle", "--format=esm", "--platform=node", "--target=es2022", "--legal-comments=none"];
  await runWell(esbuild, [entry, ...form, ...minify, `--outfile=${file}`, "--log-level=error"], {
    cwd: folder,
  });
  const code = readFileSync(file);
  return { raw: code.length / 1000, gzip: gzipSync(code).length / 1000 };
}

const beside = (measure: string, unit: string, ours: number, value: number): Row =>
  comparison(measure, unit, [ours], { name: other, values: [value] });

async function bundleRows(ours: Installed, theirs: Installed): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [title, minify] of [["names kept", kept], ["smallest", smallest]] as const) {
    const [mine, its] = [await bundledSize(ours, minify), await bundledSize(theirs, minify)];
    rows.push(beside(`adoption: bundled, ${title}`, " kB", mine.raw, its.raw));
    rows.push(beside(`adoption: bundled, ${title}, gzip`, " kB", mine.gzip, its.gzip));
  }
  return rows;
}

async function sizeRows(tarball: string, ours: Installed, theirs: Installed): Promise<Row[]> {
  return [
    { measure: "adoption: packed by npm", unit: " kB", ours: statSync(tarball).size / 1000 },
    beside("adoption: packages, itself included", "", packagesIn(ours.folder), packagesIn(theirs.folder)),
    beside("adoption: installed", " MB", megabytesIn(ours.folder), megabytesIn(theirs.folder)),
    ...await bundleRows(ours, theirs),
  ];
}

/** Imports the installed packages on Node, those of this clone on Deno. */
async function importRow(ours: readonly [string, string], theirs: string): Promise<Row> {
  const [name, folder] = ours;
  const turns = await takeTurns(rounds, {
    ours: () => importOf([name], folder),
    theirs: () => importOf(dependencies, theirs),
  });
  const time = (costs: readonly { seconds: number }[]): number[] =>
    costs.map(({ seconds }) => 1000 * seconds);
  return comparison("adoption: import", " ms", time(turns.ours), { name: other, values: time(turns.theirs) });
}

async function rowsOnNode(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "adoption-"));
  try {
    const tarball = await pack(folder);
    const ours = await install(join(folder, "ours"), [tarball], 'export * from "telegram-signals";\n');
    const theirs = await install(join(folder, "theirs"), dependencies, program);
    return [
      ...await sizeRows(tarball, ours, theirs),
      await importRow(["telegram-signals", ours.folder], theirs.folder),
    ];
  } finally {
    await rm(folder, { recursive: true });
  }
}

export async function measure(): Promise<Row[]> {
  if (runtime === "Node") return await rowsOnNode();
  return [await importRow([entryPoint(), root], root)];
}
