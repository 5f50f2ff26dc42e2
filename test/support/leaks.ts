/**
 * Searches what the suite writes for bots' tokens: log lines, reports, errors, requests to DynamoDB, the output of programs,
 * and the files of folders that tests remove. A find fails the run, and names the test and the place. `test/tools/all.ts`
 * searches besides what the suites have printed.
 *
 * The one exemption is a file `.env`, in which a user keeps the token.
 */
import { readdirSync, readFileSync, type RmDirOptions, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { inspect } from "node:util";

/** The form of a token, as it is or in a URL. */
const form = /(?<!\d)\d{5,}(?::|%3A)[A-Za-z0-9_-]{25,}/i;
const contextLength = 80;
const finds: string[] = [];
let onFind: (find: string) => void = (find) => finds.push(find);

/** Has the finds told from now on, those before as well. */
export function tellFinds(tell: (find: string) => void): void {
  for (const find of finds.splice(0)) tell(find);
  onFind = tell;
}

/** What a text shows of a token, without the token; `undefined` if there is none in it. */
export function leakIn(text: string): string | undefined {
  const found = form.exec(text);
  if (found === null) return undefined;
  const before = text.slice(Math.max(0, found.index - contextLength), found.index);
  return `${before}<a token>${text.slice(found.index + found[0].length).slice(0, contextLength)}`;
}

/** @param where What the text was written to. */
export function searchText(text: string, where: string): void {
  const leak = leakIn(text);
  if (leak !== undefined) onFind(`a token was written to ${where}: …${JSON.stringify(leak)}…`);
}

/** Whatever a console would show of a value. */
export function searchValue(value: unknown, where: string): void {
  searchText(inspect(value, { depth: 6, getters: true }), where);
}

/** Searches a file, or all files of a folder; their names, too. Links are not followed. */
export function searchFiles(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || basename(path) === ".env") return;
  searchText(path, "the name of a file");
  if (stats.isFile()) return searchText(readFileSync(path, "latin1"), `the file ${basename(path)}`);
  if (!stats.isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (!entry.isSymbolicLink()) searchFiles(join(path, entry.name));
  }
}

type Options = RmDirOptions & { readonly force?: boolean };

/** As the function of `node:fs/promises`, after a search. */
// deno-lint-ignore require-await -- async, as what it stands in for
export async function rm(path: string, options: Options = {}): Promise<void> {
  removeSync(path, options);
}

/** As `rmSync` of `node:fs`, after a search. */
export function removeSync(path: string, options: Options = {}): void {
  searchFiles(path);
  rmSync(path, options);
}
