/** What to do where a file is there, and Deno was not permitted to read it. */
import process from "node:process";

/** Deno takes a file that it may not read for one that is not there. Empty under other runtimes. */
export function permissionHint(error: unknown): string {
  const { code } = error as { readonly code?: unknown };
  if (process.versions["deno"] === undefined || !["ENOENT", "EACCES", "EPERM"].includes(String(code))) {
    return "";
  }
  return "; Deno reads files in .signals/, and others with --allow-read=.env,.signals,lib,FILE in place of -P";
}
