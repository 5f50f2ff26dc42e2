/** The examples and the command import the package by its name, as a project does that has installed it. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, suite } from "../harness.ts";

const test = suite("imports of the examples and of the command");
const examples = new URL("../../examples/", import.meta.url);
const cli = new URL("../../cli/", import.meta.url);

/** The relative paths that a module imports, as URLs. */
function importsOf(file: URL): URL[] {
  const source = readFileSync(file, "utf8");
  return [...source.matchAll(/(?:\bfrom|\bimport\(?) ?\\?"(\.[^"\\]*)\\?"/g)].map(([, path = ""]) =>
    new URL(path, file)
  );
}

/** The relative imports in a folder that lead to none of these folders. */
function leaving(folder: URL, allowed: readonly URL[]): string[][] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|js|mjs|ipynb)$/.test(name))
    .map((name) => new URL(name.replaceAll("\\", "/"), folder));
  const imports = files.flatMap((file) => importsOf(file).map((target) => [file, target] as const));
  assert.ok(imports.length > 20, `${imports.length} relative imports were found`);
  return imports.filter(([, target]) => !allowed.some(({ href }) => target.href.startsWith(href)))
    .map((urls) => urls.map((url) => fileURLToPath(url)));
}

test("no relative import leaves the command's folder", () => assert.equal(leaving(cli, [cli]), []));

test("no relative import of an example leads elsewhere than to examples and to the command", () => {
  assert.equal(leaving(examples, [examples, cli]), []);
});

test.run();
