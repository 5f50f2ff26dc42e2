/** Programs run in a folder of somebody else's, which has a `.env`. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { rm, searchText } from "./leaks.ts";
import { commandFor, type Loader } from "./runtime.ts";
import { type Ended, root } from "./script.ts";

export interface ProgramFolder {
  readonly path: string;
  /** @param script Its path from the root. The environment has these variables, and none of a bot, of AWS or of a proxy. */
  run(
    script: string,
    args?: readonly string[],
    env?: Readonly<Record<string, string>>,
    loader?: Loader,
  ): Promise<Ended>;
}

/** Runs the body with a folder that has these files, below the root, where packages and deno.json are found. */
export async function withProgramFolder(
  files: Readonly<Record<string, string>>,
  body: (folder: ProgramFolder) => Promise<void>,
): Promise<void> {
  await mkdir(join(root, ".sandbox"), { recursive: true });
  const path = await mkdtemp(join(root, ".sandbox", "program-"));
  const own = Object.entries(process.env).filter(([name]) => !/^(AWS|TELEGRAM)_|_PROXY$/i.test(name));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
    await body({
      path,
      run(script, args = [], env = {}, loader = "none") {
        const [program, ...before] = commandFor(join(root, script), "-P=sandbox", loader);
        const options = { cwd: path, env: { ...Object.fromEntries(own), ...env } };
        return new Promise((resolve) => {
          execFile(program, [...before, ...args], options, (error, stdout, stderr) => {
            searchText(stdout + stderr, `the output of ${script}`);
            resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr });
          });
        });
      },
    });
  } finally {
    await rm(path, { recursive: true });
  }
}
