/** The package as `npm pack` makes it, and programs that strangers write with it. */
import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { modules, root, succeeds } from "./program.ts";

export interface Packed {
  readonly folder: string;
  readonly tarball: string;
  /** The tarball's files, unpacked. */
  readonly content: string;
}

interface Entry {
  readonly types: string;
  readonly default: string;
}

interface Manifest {
  readonly exports: Readonly<Record<string, (Entry & { readonly require: Entry }) | string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

/** What does not matter to a package; `node_modules` is linked. */
const left = new Set([".git", ".sandbox", "bundle", "dist", "docs", "node_modules"]);

/** Of a copy, as packing builds: a build beside it, and the developer's own, are left in peace. */
async function pack(): Promise<Packed> {
  const folder = await mkdtemp(join(tmpdir(), "package-"));
  const source = join(folder, "source");
  for (const part of readdirSync(root).filter((name) => !left.has(name))) {
    await cp(join(root, part), join(source, part), { recursive: true });
  }
  await symlink(modules, join(source, "node_modules"), "junction");
  await succeeds(source, "npm", "pack", "--silent", "--pack-destination", folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz")) ?? "";
  await succeeds(folder, "tar", "-xzf", tarball);
  return { folder, tarball: join(folder, tarball), content: join(folder, "package") };
}

let packed: Promise<Packed> | undefined;

/** Packs once. */
export function thePackage(): Promise<Packed> {
  return packed ??= pack();
}

export async function removePackage(): Promise<void> {
  await rm((await thePackage()).folder, { recursive: true });
}

export function manifestOf({ content }: Packed): Manifest {
  return JSON.parse(readFileSync(join(content, "package.json"), "utf8")) as Manifest;
}

export type Files = Readonly<Record<string, string>>;

/** Makes a folder in another one, with these files. */
export async function place(parent: string, files: Files): Promise<string> {
  const folder = await mkdtemp(join(parent, "project-"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** A project that has what npm would install: the package, what it declares that it needs, and `others`. */
export async function project(packed: Packed, files: Files, others: readonly string[] = []): Promise<string> {
  const folder = await place(packed.folder, files);
  const installed = join(folder, "node_modules");
  await cp(packed.content, join(installed, "telegram-signals"), { recursive: true });
  for (const name of [...Object.keys(manifestOf(packed).dependencies), "@types/node", ...others]) {
    await mkdir(dirname(join(installed, name)), { recursive: true });
    await symlink(join(modules, name), join(installed, name), "junction");
  }
  return folder;
}

/** The whole job in a few lines; runs and compiles as JavaScript and as TypeScript. */
export const program = `import { SignalBot } from "telegram-signals";
import { startBotApiServer } from "telegram-signals/local";

const telegram = await startBotApiServer();
const bot = new SignalBot({
  botToken: telegram.token,
  apiRoot: telegram.apiRoot,
  useDynamoDB: false,
});
await bot.startBot();
const ada = telegram.user({ first_name: "Ada" });
ada.say("/start");
await ada.received("subscribed");
const report = await bot.sendSignal({ direction: "long", symbol: "X", entry: 2, stop: 1, target: 4 });
console.log(String(report));
await bot.stopBot();
await telegram.close();
`;

/** What it prints. */
export const done = "Sent to 1 of 1 chat in";
