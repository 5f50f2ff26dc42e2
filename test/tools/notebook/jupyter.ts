/** Notebooks, and the program that executes them: Python's jupyter_client, with a home of its own. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { searchFiles } from "../../support/leaks.ts";
import { root } from "../../support/script.ts";

/** What a cell has shown: texts by their MIME types, or what was printed, or an error. */
export interface Output {
  readonly output_type: "display_data" | "error" | "execute_result" | "stream";
  readonly data?: Bundle;
  readonly text?: Text;
  readonly evalue?: string;
}

/** nbformat gives a text as its lines. */
type Text = string | readonly string[];
type Bundle = Readonly<Record<string, Text>>;

export interface Cell {
  readonly cell_type: "code" | "markdown";
  readonly id: string;
  /** The kernel is interrupted once the cell has printed the text of `interrupt_at`. */
  readonly metadata: { readonly updates?: readonly Bundle[]; readonly interrupt_at?: string };
  readonly source: Text;
  readonly outputs?: readonly Output[];
}

export interface Notebook {
  readonly cells: readonly Cell[];
}

const run = promisify(execFile);

/** A Python that has what it takes; Debian's packages are its own Python's. */
export async function findPython(): Promise<string | undefined> {
  for (const python of ["/usr/bin/python3", "python3"]) {
    const isFit = run(python, ["-c", "import jupyter_client, nbformat"]).then(() => true, () => false);
    if (await isFit) return python;
  }
  return undefined;
}

export function textOf(text: Text | undefined): string {
  return typeof text === "string" ? text : text?.join("") ?? "";
}

export async function readNotebook(path: string): Promise<Notebook> {
  return JSON.parse(await readFile(path, "utf8")) as Notebook;
}

export interface Place {
  /** The notebook's folder. Default: that of the examples. */
  readonly cwd?: string;
  /** What Jupyter has in its environment besides. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A cell of code that has not run. */
export function codeCell(id: string, source: string, metadata: Cell["metadata"] = {}): Cell {
  return { cell_type: "code", id, metadata, source, outputs: [], execution_count: null } as Cell;
}

/** What the cell has printed. */
export function printedBy({ outputs = [] }: Cell): string {
  return outputs.map(({ text }) => textOf(text)).join("");
}

/** Executes the cells, up to one that fails and is not interrupted, and gives the notebook with its outputs. */
export async function execute(
  notebook: Notebook,
  { cwd = join(root, "examples"), env: more = {} }: Place = {},
): Promise<Notebook> {
  const folder = await mkdtemp(join(tmpdir(), "notebook-"));
  try {
    const env = { ...await environment(folder), ...more };
    await run("deno", ["jupyter", "--install"], { env });
    const [source, target] = [join(folder, "source.ipynb"), join(folder, "target.ipynb")];
    await writeFile(source, JSON.stringify(notebook));
    const script = fileURLToPath(new URL("execute.py", import.meta.url));
    await run(await findPython() ?? "", [script, source, target], { env, cwd });
    searchFiles(target);
    return await readNotebook(target);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The user's own kernels, tokens and keys stay out of it; the packages that Deno has are used. */
async function environment(home: string): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await run("deno", ["info", "--json"]);
  const { denoDir } = JSON.parse(stdout) as { denoDir: string };
  const own = Object.entries(process.env).filter(([name]) => !/^(AWS|JUPYTER|TELEGRAM|XDG)_/.test(name));
  return { ...Object.fromEntries(own), HOME: home, DENO_DIR: denoDir, NO_COLOR: "1" };
}
