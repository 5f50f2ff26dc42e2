/** Variables of the environment that are spelt nearly as ours. */
import process from "node:process";
import { lettersBetween } from "./option_names.ts";

const prefix = "TELEGRAM_";
const lettersAtMost = 2;

/**
 * A sentence for each variable that was meant to be one of `unset`. Others that begin alike are another program's.
 * @param inFile What the file `.env` says.
 */
export function misspeltVariables(
  inFile: Readonly<Record<string, string>>,
  unset: readonly string[],
): string[] {
  const variables = Object.entries({ ...inFile, ...mayList() ? process.env : {} });
  const ours = unset.filter((name) => name.startsWith(prefix));
  const given = variables.filter(([name, value]) => name.startsWith(prefix) && value);
  return given.flatMap(([name]) => {
    const [meant] = ours.map((each) => ({ each, letters: lettersBetween(name, each) }))
      .filter(({ each, letters }) => name !== each && letters <= lettersAtMost)
      .sort((one, other) => one.letters - other.letters);
    return meant === undefined ? [] : [`${name} is not a variable of the bot: did you mean ${meant.each}?`];
  });
}

interface Deno {
  readonly permissions: { querySync(descriptor: { name: "env" }): { readonly state: string } };
}

/** Deno asks the user, or refuses, where some variables may be read and not all. */
function mayList(): boolean {
  const { Deno } = globalThis as { Deno?: Deno };
  return Deno === undefined || Deno.permissions.querySync({ name: "env" }).state === "granted";
}
