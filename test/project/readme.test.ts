/** README.md, and those of the rooms: their code compiles, and the commands, files and links that they name exist. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { iamPolicy, startBotApiServer } from "../../lib/local/mod.ts";
import {
  type Chat,
  InMemoryChatStorage,
  type StorageError,
  type TelegramError,
  tradingViewMessage,
} from "../../mod.ts";
import { assert, suite } from "../harness.ts";
import { anchorsOf, brokenLinks } from "../support/markdown.ts";
import { runScript, startScript } from "../support/script.ts";
import { pythonId, pythonItem, startTable } from "../support/storage.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const readJson = <T>(name: string): T => JSON.parse(read(name)) as T;

/** The files of that name in a folder, by their paths in the project. */
function readmesIn(folder: string): string[] {
  const paths = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return paths.filter((path) => basename(path) === "README.md" && !path.includes("node_modules"))
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`);
}

const rooms = ["cli", "examples", "lib", "test"].filter((folder) => existsSync(join(root, folder)));
const readmes = ["README.md", ...rooms.flatMap(readmesIn)];

interface Block {
  /** The README that it is in. */
  readonly file?: string;
  readonly language: string;
  /** Line of the opening fence, counted from 1. */
  readonly line: number;
  readonly text: string;
}

function fencedBlocks(markdown: string): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; line: number; indent: string; lines: string[] } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    const fence = /^( *)```(\S*)/.exec(text);
    if (open && fence) {
      blocks.push({ language: open.language, line: open.line, text: open.lines.join("\n") });
      open = undefined;
    } else if (fence) {
      const [, indent = "", language = ""] = fence;
      open = { language, line: index + 1, indent, lines: [] };
    } else open?.lines.push(text.startsWith(open.indent) ? text.slice(open.indent.length) : text);
  }
  return blocks;
}

/** The blocks of all READMEs. */
const allBlocks = readmes.flatMap((file) => fencedBlocks(read(file)).map((block) => ({ ...block, file })));

/** Both compilers in a folder of their own, where `telegram-signals` is this tree. */
async function compile(blocks: readonly Block[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "readme-"));
  try {
    const files = blocks.map(({ file = "README.md", line }) =>
      `${file.replace(/\.md$/, "").replaceAll("/", "-")}-line-${line}.mts`
    );
    for (const [index, { line, text }] of blocks.entries()) {
      // Empty lines before it, so that an error's line is the README's.
      await writeFile(join(folder, files[index] ?? ""), `${"\n".repeat(line)}${text}\n`);
    }
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(tsconfig(files)));
    return process.versions["deno"] ? await denoCheck(folder, files) : await tsc(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function entryPoints(): [name: string, path: string][] {
  const { exports } = readJson<{ exports: Record<string, string> }>("deno.json");
  return Object.entries(exports).map(([key, path]) => [`telegram-signals${key.slice(1)}`, join(root, path)]);
}

/** As for the project, but a README may name what it does not go on to use. */
function tsconfig(files: readonly string[]): unknown {
  const paths = Object.fromEntries(entryPoints().map(([name, path]) => [name, [path]]));
  const typeRoots = [join(root, "node_modules", "@types")];
  const lenient = { noUnusedLocals: false, isolatedDeclarations: false, declaration: false };
  return { extends: join(root, "tsconfig.json"), compilerOptions: { paths, typeRoots, ...lenient }, files };
}

async function tsc(folder: string): Promise<string> {
  const modules = join(root, "node_modules");
  await symlink(modules, join(folder, "node_modules"), "junction");
  return await outputOf(process.execPath, [join(modules, "typescript", "bin", "tsc"), "-p", folder], folder);
}

async function denoCheck(folder: string, files: readonly string[]): Promise<string> {
  const { imports } = readJson<{ imports: Record<string, string> }>("deno.json");
  const own = Object.fromEntries(
    entryPoints().map(([name, path]) => [name, pathToFileURL(path).href]),
  );
  const config = { nodeModulesDir: "none", imports: { ...imports, ...own } };
  await writeFile(join(folder, "deno.json"), JSON.stringify(config));
  await copyFile(join(root, "deno.lock"), join(folder, "deno.lock"));
  return await outputOf("deno", ["check", "--quiet", ...files], folder);
}

/** What a program printed if it failed, else nothing. */
function outputOf(program: string, parameters: string[], cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NO_COLOR: "1" };
    const child = spawn(program, parameters, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output += text);
    }
    child.on("error", reject);
    child.on("close", (code) => resolve(code === 0 ? "" : output || `exit status ${code}`));
  });
}

const npmOwn = ["ci", "install", "i", "init", "pack", "exec"];

/** The scripts that commands ask npm for, those with a short form (`npm test`) too. */
function npmScripts(shell: string): string[] {
  const words = [...shell.matchAll(/\bnpm (?:run )?([\w:-]+)/g)].map(([, name = ""]) => name);
  return words.filter((name) => !npmOwn.includes(name));
}

/** As a shell takes it: what is in quotation marks is one word. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain = ""]) => quoted ?? plain);
}

/** The commands that run an example, each as its file and its arguments. */
function exampleCommands(shell: string): string[][] {
  const lines = shell.split("\n").map((line) => line.replace(/ #.*/, ""));
  return lines.flatMap((line) => {
    const [, rest] = /^(?:npx tsx|deno run -P(?:=sandbox)?) (examples\/.*)$/.exec(line.trim()) ?? [];
    return rest === undefined || /sandbox|playground/.test(rest) ? [] : [wordsOf(rest)];
  });
}

/** The project's own files that a text names, in commands or in prose. */
function namedFiles(markdown: string): string[] {
  const paths = [
    ...markdown.matchAll(/(?<![\w/.@-])(?:\.\/)?((?:cli|examples|lib|test|\.ci)\/[\w./-]*\w)/g),
  ];
  return [...new Set(paths.map(([, path = ""]) => path))];
}

const isShell = ({ language }: Block): boolean => ["sh", "bash", "shell", "console"].includes(language);
const isTypeScript = ({ language }: Block): boolean => language === "ts" || language === "typescript";

const test = suite("READMEs", undefined, 120_000);

test("the first code begins by line 15, and the whole is read in some minutes", () => {
  const text = read("README.md");
  const [first] = fencedBlocks(text);
  assert.ok(first && first.line <= 15, `the first fenced block begins at line ${first?.line}`);
  assert.ok(text.split("\n").length <= 260);
});

test("their TypeScript compiles", async () => {
  const blocks = allBlocks.filter(isTypeScript);
  assert.ok(blocks.length > 15, `${blocks.length} blocks`);
  assert.is(await compile(blocks), "");
});

test("their commands are scripts of package.json", () => {
  const { scripts } = readJson<{ scripts: Record<string, string> }>("package.json");
  const asked = npmScripts(allBlocks.filter(isShell).map(({ text }) => text).join("\n"));
  assert.ok(asked.includes("test"), "they do not say npm test");
  assert.equal(asked.filter((name) => !(name in scripts)), []);
});

test("the files and the headings that they name exist", () => {
  const named = readmes.flatMap((file) => namedFiles(read(file)));
  assert.ok(named.some((path) => path.startsWith("examples/")), "they name no example");
  assert.equal(named.filter((path) => !existsSync(join(root, path))), []);
  assert.equal(readmes.flatMap((file) => brokenLinks(root, file)), []);
});

test("each room's README is linked", () => {
  const linked = readmes.flatMap((file) =>
    [...read(file).matchAll(/\]\(([^)\s#]+README\.md)/g)].map(([, path = ""]) => join(dirname(file), path))
  );
  assert.equal(readmes.slice(1).filter((file) => !linked.includes(file)), []);
});

test("the policy is the one that the tests enforce", () => {
  const policies = allBlocks.filter(({ text }) => text.includes("Statement"));
  const both = iamPolicy("telegram-chats", "telegram-broadcasts");
  assert.equal(policies.map(({ text }) => JSON.parse(text) as unknown), [both]);
});

/** The compiler refuses a list that leaves one out, or has one too many. */
const reasons: Record<(StorageError | TelegramError)["reason"], true> = {
  ...{ token: true, unreachable: true, credentials: true, denied: true, region: true, table: true },
  ...{ clock: true, throttled: true, unavailable: true, failed: true },
};

test("each reason of an error is explained", () => {
  const explained = [...read("lib/bot/README.md").matchAll(/^\| `"(\w+)"` /gm)].map(([, reason]) => reason);
  assert.equal([...new Set(explained)].sort(), Object.keys(reasons).sort());
});

test("the message for TradingView is the one that is exported", () => {
  const blocks = allBlocks.filter(({ text }) => text.includes("{{ticker}}"));
  assert.equal(blocks.map(({ text }) => text), [tradingViewMessage]);
});

test("the item has the attributes that a chat is kept with", async () => {
  const [block] = allBlocks.filter(({ text }) => text.includes('"chat_id"'));
  const item = JSON.parse(block?.text ?? "") as Chat;
  const storage = new InMemoryChatStorage();
  const { chat_id, user_info, added_at = "", last_update_id } = item;
  const at = Date.parse(added_at);
  await storage.apply(chat_id, [{ kind: "start", at, updateId: last_update_id, userInfo: user_info }]);
  const kept = await storage.getChat(chat_id) as Chat;
  assert.equal(Object.keys(kept).sort(), Object.keys(item).sort());
  assert.equal([kept.added_at, kept.user_info, kept.removed_at], [added_at, user_info, null]);
});

test("the examples run as they are printed", async () => {
  const shell = allBlocks.filter(isShell).map(({ text }) => text).join("\n");
  const commands = exampleCommands(shell);
  assert.ok(commands.length > 7, `${commands.length} commands`);
  await using telegram = await startBotApiServer();
  const table = await startTable({ isOverHttp: true });
  const env = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: table.gate.endpoint,
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  // The scheduler's own would go on for days.
  const brief = ["--interval", "0.02", "--signals", "1"];
  try {
    await table.put(pythonItem());
    telegram.user({ id: pythonId, opened: true });
    for (const command of commands) {
      const args = command[0]?.includes("live_scheduler") ? [...command, ...brief] : command;
      const { status, output } = await runScript(args, env, "-P=sandbox", "tsx");
      assert.is(status, 0, `${command.join(" ")}:\n${output}`);
    }
    assert.is((await table.item(pythonId))?.["is_active"]?.BOOL, false, "the commands have taken effect");
  } finally {
    await table.close();
  }
});

/** Gives a script of a README a place in the clone, where `telegram-signals` is this tree. */
async function withScript(text: string, body: (file: string) => Promise<void>): Promise<void> {
  const folder = join(root, ".sandbox");
  const file = join(folder, `readme-${process.versions["deno"] ? "deno" : "node"}-${process.pid}.mts`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, text);
  try {
    await body(file);
  } finally {
    await rm(file);
  }
}

test("the test for a bot of one's own runs in a clone", async () => {
  const [block] = allBlocks.filter((each) => each.text.includes("signals/local"));
  await withScript(block?.text ?? "", async (file) => {
    const { status, output } = await runScript([file], {}, "-P=sandbox", "tsx");
    assert.match(output, /^1 1$/m);
    assert.is(status, 0);
  });
});

test("the script of one's own ends by itself where it is stopped before Telegram can be reached", async () => {
  const [block] = fencedBlocks(read("README.md")).filter(isTypeScript);
  await using telegram = await startBotApiServer();
  telegram.fault({ method: "getMe", times: Infinity, answer: "reset" });
  const env = {
    TELEGRAM_BOT_TOKEN: telegram.token,
    TELEGRAM_API_ROOT: telegram.apiRoot,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
  await withScript(block?.text ?? "", async (file) => {
    const script = startScript([file], env, "-P=sandbox", "tsx");
    await script.printed("The bot starts as soon as it can.");
    script.kill("SIGTERM");
    const { status, output } = await script.ended;
    assert.match(output, /as soon as it can\.\nThe bot stops, .*\n$/);
    assert.is(status, 0);
  });
});

const posting = `
const post = async (path, headers, body) => {
  const all = { "Content-Type": "application/json", ...headers };
  const url = \`http://127.0.0.1:\${server.address().port}\${path}\`;
  return (await fetch(url, { method: "POST", headers: all, body: JSON.stringify(body) })).status;
};
const signal = { direction: "long", symbol: "BTC-USD", entry: 67250.5, stop: 66980, target: 67800 };
const alert = { secret: process.env.ALERT_SECRET, ticker: "BTCUSD", action: "buy", price: 67250.5 };
const authorization = { Authorization: \`Bearer \${process.env.SIGNAL_SECRET}\` };
console.log(await post("/", authorization, signal), await post("/tradingview", {}, alert));
process.emit("SIGTERM");
await bot.finished;
console.log("stopped");
`;

test("signals by HTTP can be tried in the sandbox, with secrets in the environment", async () => {
  const [block] = allBlocks.filter((each) => each.text.includes("...tradingView("));
  const example = (block?.text ?? "").replace(".listen(8080", ".listen(0");
  const folder = join(root, ".sandbox", `http-${process.versions["deno"] ? "deno" : "node"}-${process.pid}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "http.mts"), example + posting);
  const secrets = { SIGNAL_SECRET: "of-the-tests-0123456789", ALERT_SECRET: "of-the-tests-9876543210" };
  try {
    const args = ["examples/sandbox.ts", "--data", folder, join(folder, "http.mts")];
    const { status, output } = await runScript(args, secrets, "-P=sandbox", "tsx");
    // 202 where the ledger, whose table is new, is slow.
    assert.match(output, /^20[02] 20[02]$/m);
    assert.match(output, /◂ .*LONG BTCUSD/);
    assert.match(output, /^stopped$/m);
    assert.is(status, 0);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.run();

const checks = suite("the checks of READMEs", undefined, 120_000);
const sample =
  "Text\n```ts\nconst a: number = 1;\n```\n\n```sh\nnpm ci && npm test\nnpm run x:y # examples/none.ts\n```\n";

checks("fencedBlocks() finds language, line and text", () => {
  assert.equal(fencedBlocks(sample), [
    { language: "ts", line: 2, text: "const a: number = 1;" },
    { language: "sh", line: 6, text: "npm ci && npm test\nnpm run x:y # examples/none.ts" },
  ]);
});

checks("fencedBlocks() finds those of a list, without their indentation", () => {
  assert.equal(fencedBlocks("- Text:\n\n  ```ts\n  f(() => {\n\n    a();\n  });\n  ```\n- Text"), [
    { language: "ts", line: 3, text: "f(() => {\n\n  a();\n});" },
  ]);
});

checks(
  "compile() reports errors at the README's lines, and none for sound code; it knows our entry points",
  async () => {
    const sound = {
      language: "ts",
      line: 9,
      text: 'import { lookup } from "node:dns";\nexport const a: unknown = lookup;',
    };
    const wrong = {
      language: "ts",
      line: 40,
      text: "export const a: number[] = [1];\nexport const b: number = a[0];",
    };
    const local = {
      language: "ts",
      line: 60,
      text: 'import { iamPolicy } from "telegram-signals/local";\niamPolicy(1);',
    };
    const output = await compile([sound, wrong, local]);
    assert.match(output, /README-line-40\.mts\D*42\D/);
    assert.match(output, "'number' is not assignable to parameter of type 'string'");
    assert.not.match(output, "telegram-signals/local");
    assert.not.match(output, "README-line-9");
  },
);

checks("exampleCommands() finds what can be run", () => {
  const shell =
    'npm ci\nnpx tsx examples/a.ts --x "1 2" # why\ndeno run -P examples/b.ts\nexport A=examples/c.ts';
  assert.equal(exampleCommands(shell), [["examples/a.ts", "--x", "1 2"], ["examples/b.ts"]]);
});

checks("npmScripts() and namedFiles() find what is named", () => {
  assert.equal(npmScripts(sample), ["test", "x:y"]);
  const markdown =
    "[a](LICENSE), [b](https://example.org/lib/x.ts), `npx tsx examples/a.ts`, ./lib/b.ts. @x/test/c.ts";
  assert.equal(namedFiles(markdown), ["examples/a.ts", "lib/b.ts"]);
  assert.equal(anchorsOf("# A /stop, said\n```sh\n# no\n```\n## I want to…"), ["a-stop-said", "i-want-to"]);
});

checks.run();
