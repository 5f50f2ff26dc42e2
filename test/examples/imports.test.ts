/** The examples import the package by its name, so that a reader can copy them into a project. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, suite } from "../harness.ts";

const test = suite("imports of the examples");
const folder = new URL("../../examples/", import.meta.url);

/** The relative paths that a module imports, as URLs. */
function importsOf(file: URL): URL[] {
  const source = readFileSync(file, "utf8");
  return [...source.matchAll(/(?:\bfrom|\bimport\(?) ?\\?"(\.[^"\\]*)\\?"/g)].map(([, path = ""]) =>
    new URL(path, file)
  );
}

test("no relative import leaves the folder of the examples", () => {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|js|mjs|ipynb)$/.test(name))
    .map((name) => new URL(name.replaceAll("\\", "/"), folder));
  const imports = files.flatMap((file) => importsOf(file).map((target) => ({ file, target })));
  assert.ok(imports.length > 50, `${imports.length} relative imports were found`);
  const leaving = imports.filter(({ target }) => !target.href.startsWith(folder.href));
  assert.equal(leaving.map(({ file, target }) => [file, target].map((url) => fileURLToPath(url))), []);
});

test.run();
