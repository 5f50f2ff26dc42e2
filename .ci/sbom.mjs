/**
 * Prints what the package brings with it as a software bill of materials (CycloneDX 1.5, JSON), from package-lock.json.
 * Run by `npm run --silent sbom`. `npm sbom --omit dev` would also leave out packages that tools need as well, such as
 * grammY; so development's packages are taken out here, by what npm says of each.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const all = JSON.parse(execFileSync("npm", ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"], {
  ...{ cwd: root, encoding: "utf8", maxBuffer: 1e8, shell: process.platform === "win32" },
}));

const isForDevelopment = ({ properties = [] }) =>
  properties.some((each) => each.name === "cdx:npm:package:development" && each.value === "true");
const left = new Set(all.components.filter(isForDevelopment).map((each) => each["bom-ref"]));
const isKept = (ref) => !left.has(ref);

const bom = {
  ...all,
  // npm names it after its folder.
  metadata: { ...all.metadata, component: { ...all.metadata.component, name } },
  components: all.components.filter((each) => isKept(each["bom-ref"])),
  dependencies: all.dependencies.filter(({ ref }) => isKept(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(isKept) })),
};
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
