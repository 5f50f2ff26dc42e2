/** package.json, deno.json and both lockfiles must name the same versions and the same entry points. */
import { readFileSync } from "node:fs";
import { version } from "../../cli/version.ts";
import { assert, suite } from "../harness.ts";

type Names = Record<string, string>;
interface PackageJson {
  name: string;
  version: string;
  exports: Record<string, object | string>;
  dependencies: Names;
  devDependencies: Names;
  peerDependencies: Names;
  allowScripts: Record<string, boolean>;
}
interface DenoJson {
  version: string;
  exports: Names;
  imports: Names;
  allowScripts: { deny: string[] };
}
interface PackageLock {
  version: string;
  packages: Record<string, Partial<PackageJson> & { resolved?: string }>;
}

const readText = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const read = <T>(name: string): T => JSON.parse(readText(name)) as T;
const node = read<PackageJson>("package.json");
const deno = read<DenoJson>("deno.json");
const lock = read<PackageLock>("package-lock.json");
/** Packages that no test loads, as a stub stands for them: they are installed by who uses them. */
const stubbed = ["ccxt"];
const test = suite("versions");

test("both files and the command name one version, and the same range for each package", () => {
  assert.equal([deno.version, version], [node.version, node.version]);
  const all = { ...node.devDependencies, ...node.dependencies };
  const packages = Object.entries(deno.imports).filter(([name]) => !name.startsWith(node.name));
  for (const [name, target] of packages) assert.is(target, `npm:${name}@${all[name]}`);
  for (const name of Object.keys({ ...node.dependencies, ...node.peerDependencies })) {
    if (stubbed.includes(name)) continue;
    assert.ok(deno.imports[name], `${name} is not in deno.json`);
  }
});

test("a package's build script is run by neither npm nor Deno, and neither complains of it", () => {
  const denied = Object.entries(node.allowScripts).filter(([, isAllowed]) => !isAllowed).map(([name]) =>
    name
  );
  assert.equal(denied.sort(), Object.keys(node.allowScripts).sort());
  // Of those, Deno installs what its lockfile has.
  const installed = Object.keys(read<{ npm: Names }>("deno.lock").npm);
  const ofDeno = denied.filter((name) => installed.some((id) => id.startsWith(`${name}@`)));
  assert.equal(deno.allowScripts.deny, ofDeno.map((name) => `npm:${name}`));
});

test("a peer dependency is tested in the range that it allows", () => {
  for (const [name, range] of Object.entries(node.peerDependencies)) {
    if (stubbed.includes(name)) continue;
    assert.is(node.devDependencies[name], range, name);
  }
});

test("both files name the same entry points", () => {
  const fromDeno = Object.entries(deno.exports).map(([name, path]) => {
    const built = path.replace(/^\.\//, "./dist/").replace(/\.ts$/, "");
    const required = { types: `${built}.d.cts`, default: `${built}.cjs` };
    return [name, { require: required, types: `${built}.d.ts`, default: `${built}.js` }];
  });
  const { "./package.json": _own, ...fromNode } = node.exports;
  assert.equal(fromNode, Object.fromEntries(fromDeno));
});

test("scripts in this folder find the entry points by the names that they have when installed", () => {
  const { compilerOptions } = read<{ compilerOptions: { paths: Record<string, string[]> } }>("tsconfig.json");
  const named = Object.entries(deno.exports).map(([key, path]) => [`${node.name}${key.slice(1)}`, path]);
  const imports = Object.entries(deno.imports).filter(([name]) => name.startsWith(node.name));
  assert.equal(Object.fromEntries(imports), Object.fromEntries(named));
  const paths = Object.entries(compilerOptions.paths).map(([name, [path]]) => [name, path]);
  assert.equal(Object.fromEntries(paths), Object.fromEntries(named));
});

test("package-lock.json belongs to package.json", () => {
  const own = lock.packages[""];
  assert.equal([lock.version, own?.version, own?.name], [node.version, node.version, node.name]);
  for (const kind of ["dependencies", "devDependencies", "peerDependencies"] as const) {
    assert.equal(own?.[kind], node[kind], kind);
  }
});

test("package-lock.json names no registry", () => {
  const resolved = Object.entries(lock.packages).filter(([, info]) => info.resolved !== undefined);
  assert.equal(resolved.map(([path, info]) => `${path}: ${info.resolved}`), []);
});

test("deno.lock has every package at a version that package-lock.json has", () => {
  const different: string[] = [];
  const ids = Object.keys(read<{ npm: Names }>("deno.lock").npm);
  for (const id of ids) {
    const [, name = "", version = ""] = /^(@?[^@]+)@([^_]+)/.exec(id) ?? [];
    const versions = Object.entries(lock.packages)
      .filter(([path]) => path.endsWith(`node_modules/${name}`))
      .map(([, info]) => info.version);
    if (versions.length > 0 && !versions.includes(version)) different.push(`${id} != ${versions.join()}`);
  }
  assert.ok(ids.length > 0);
  assert.equal(different, []);
});

test.run();
