/** The licences of the packages of which a bundle has parts. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * The text for THIRD_PARTY_LICENSES: each licence once, below the packages that it is of.
 * @param root The folder of what was bundled; its own licence is among them.
 * @param files Files of the bundle, below `root` or absolute.
 * @throws {Error} If a package has no licence text.
 */
export function licencesOf(root, files) {
  const folders = new Set(files.map((file) => {
    const [folder = ""] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file.replaceAll("\\", "/")) ?? [];
    return resolve(root, folder);
  }));
  const packages = [...folders].map(packageIn).sort((one, other) => one.name < other.name ? -1 : 1);
  const byText = new Map();
  for (const each of packages) {
    const text = each.text ?? textOfRepository(each, packages);
    byText.set(text, [...byText.get(text) ?? [], `${each.name} ${each.version} (${each.license})`]);
  }
  const rule = "-".repeat(80);
  return [...byText].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`).join(`\n${rule}\n\n`);
}

function packageIn(folder) {
  const { name, version, license, repository } = JSON.parse(
    readFileSync(join(folder, "package.json"), "utf8"),
  );
  const names = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file)).sort();
  const texts = names.map((file) => readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n").trim());
  return {
    name,
    version,
    license,
    repository: repository?.url,
    text: texts.length > 0 ? texts.join("\n\n") : undefined,
  };
}

/** Some packages are published without the licence of the repository that they come from; others from there have it. */
function textOfRepository({ name, version, license, repository }, packages) {
  const sibling = packages.find((each) =>
    each.text !== undefined && each.repository === repository && each.license === license
  );
  if (repository !== undefined && sibling !== undefined) return sibling.text;
  throw new Error(
    `${name} ${version} has no licence text, and no other package of its repository in the bundle has one: ` +
      `without it the bundle may not be passed on. Do without the package, or ask its authors.`,
  );
}
