/** Reads a file that a user has named. */
import { readFileSync } from "node:fs";
import { Deno } from "./deno.ts";

/**
 * The text of a file.
 * @throws {Error} The system's; where Deno is not allowed to read the file, one that says so: the system's would say that
 * there is no such file.
 */
export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    if (Deno === undefined || Deno.permissions.querySync({ name: "read", path: file }).state === "granted") {
      throw cause;
    }
    throw new Error(
      `Deno has to be allowed to read it: --allow-read=${file}, or in place of -P's own list ` +
        `--allow-read=.env,.signals,lib,${file}`,
      { cause },
    );
  }
}
