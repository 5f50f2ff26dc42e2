/** Packages that only some commands need, so that who installs this one need not have them. */
import { createRequire } from "node:module";
import { isCompiled } from "./child_script.ts";

/** @throws {Error} Naming those that are missing, and what to type. */
export function requirePackages(what: string, names: readonly string[]): void {
  const missing = names.filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const [packages, them] = missing.length === 1 ? ["a package", "is"] : ["packages", "are"];
  throw new Error(
    `${what} needs ${packages} that ${them} not installed: npm install ${missing.join(" ")} ` +
      `(with Deno: deno add ${missing.map((name) => `npm:${name}`).join(" ")})`,
  );
}

function isInstalled(name: string): boolean {
  // In the repository all are there; Deno finds them without a folder of packages.
  if (!isCompiled) return true;
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch (error) {
    return (error as { readonly code?: unknown }).code !== "MODULE_NOT_FOUND";
  }
}
