/**
 * What comes with the package: its bill of materials, install scripts, and what the check of signatures makes of npm's
 * answers. Run by `npm test` as a step of its own, once, from Node.
 */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { assert, suite } from "../harness.ts";
import { environment, root, run, succeeds } from "./support/program.ts";

const test = suite("supply chain", undefined, 120_000);

const readJson = <T>(name: string): T => JSON.parse(readFileSync(join(root, name), "utf8")) as T;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}

interface Locked {
  readonly version: string;
  readonly integrity: string;
  readonly dev?: true;
  readonly hasInstallScript?: true;
}

const manifest = readJson<Manifest>("package.json");
const { "": _root, ...locked } =
  readJson<{ packages: Readonly<Record<string, Locked>> }>("package-lock.json").packages;
const nameOf = (path: string): string => path.replace(/^.*node_modules\//, "");

interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly serialNumber: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Component {
  readonly "bom-ref": string;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly licenses: readonly unknown[];
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
}

test("npm run sbom prints the packages that come with this one, and no others", async () => {
  const bom = JSON.parse(await succeeds(root, "npm", "run", "--silent", "sbom")) as Bom;
  assert.equal([bom.bomFormat, bom.specVersion], ["CycloneDX", "1.5"]);
  assert.match(bom.serialNumber, /^urn:uuid:[0-9a-f-]{36}$/);
  const { component } = bom.metadata;
  assert.equal([component.name, component.version], [manifest.name, manifest.version]);
  const expected = Object.entries(locked).filter(([, { dev }]) => !dev).map((
    [path, { version, integrity }],
  ) => ({
    name: nameOf(path),
    version,
    hash: Buffer.from(integrity.replace("sha512-", ""), "base64").toString("hex"),
  }));
  const listed = bom.components.map(({ name, version, hashes }) => ({
    name,
    version,
    hash: hashes[0]?.content,
  }));
  assert.equal(listed, expected);
  for (const { name, version, type, purl, licenses } of bom.components) {
    assert.equal([type, purl], ["library", `pkg:npm/${name.replace("@", "%40")}@${version}`]);
    assert.is(licenses.length, 1, name);
  }
});

test("npm run sbom tells what depends on what", async () => {
  const bom = JSON.parse(await succeeds(root, "npm", "run", "--silent", "sbom")) as Bom;
  const refs = [bom.metadata.component, ...bom.components].map((component) => component["bom-ref"]);
  assert.equal(bom.dependencies.map(({ ref }) => ref).sort(), refs.sort());
  assert.equal(
    bom.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.includes(ref)),
    [],
  );
  const own = bom.dependencies.find(({ ref }) => ref === bom.metadata.component["bom-ref"])?.dependsOn ?? [];
  assert.equal(
    own.map((ref) => ref.replace(/@[^@]+$/, "")).sort(),
    Object.keys(manifest.dependencies).sort(),
  );
});

test("each install script is refused by name, and nothing that comes with the package has one", () => {
  const scripted = Object.entries(locked).filter(([, { hasInstallScript }]) => hasInstallScript);
  const names = scripted.map(([path]) => nameOf(path)).sort();
  assert.equal(manifest.allowScripts, Object.fromEntries(names.map((name) => [name, false])));
  assert.equal(scripted.filter(([, { dev }]) => !dev), []);
});

/** What the check of signatures says, and its exit status, where npm answers with this. */
async function checkSignatures(answer: string): Promise<readonly [code: number | null, output: string]> {
  const folder = await mkdtemp(join(tmpdir(), "signatures-"));
  try {
    await writeFile(join(folder, "npm"), `#!/bin/sh\ncat <<'END'\n${answer}\nEND\nexit 1\n`);
    await chmod(join(folder, "npm"), 0o755);
    const env = { PATH: `${folder}${delimiter}${environment["PATH"]}` };
    const { code, output } = await run({ folder: root, env }, process.execPath, ".ci/signatures.mjs");
    return [code, output];
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("a wrong or missing signature fails the check; a registry that cannot be asked does not", async () => {
  assert.equal(await checkSignatures('{"invalid":[],"missing":[]}'), [
    0,
    "The packages' signatures are verified.\n",
  ]);
  const wrong = { invalid: [{ name: "a", version: "1.0.0" }], missing: [{ name: "b", version: "2.0.0" }] };
  assert.equal(await checkSignatures(JSON.stringify(wrong)), [
    1,
    "a 1.0.0: its signature is invalid.\nb 2.0.0: its signature is missing.\n",
  ]);
  const cannot = (why: string): [number, string] => [
    0,
    `The packages' signatures could not be verified here (${why}); going on without.\n`,
  ];
  assert.equal(await checkSignatures('{"error":{"code":"ENOTFOUND"}}'), cannot("ENOTFOUND"));
  assert.equal(await checkSignatures("npm is not itself today"), cannot("no answer"));
});

test.run();
