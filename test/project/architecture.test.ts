/** The rules of lib's structure: its rooms and the order of their imports, sizes, and the one door to time and chance. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { assert, suite } from "../harness.ts";

/** From left to right: a file imports from its own room and from those to its left. */
const rooms = ["util", "telegram", "signals", "chats", "broadcast", "dynamodb", "bot", "live"];
/** The rooms that the test kit may import from; no room imports from the test kit. */
const roomsOfLocal = ["util"];

const linesAtMost = 400;
const functionLinesAtMost = 60;
const generated = ["signals/chart/font.ts"];
const clockFile = "util/clock.ts";
const doorsOfTime =
  /\b(?:setTimeout|setInterval|setImmediate|Date\.now|performance\.now|AbortSignal\.timeout|Math\.random|randomUUID|hrtime)\b|\bnew Date\(\)/g;

/** Source texts by their paths below their folder. */
type Sources = ReadonlyMap<string, string>;

/** The code without comments that stand in lines of their own. */
function withoutComments(source: string): string {
  return source.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/^[ \t]*\/\/.*$/gm, "");
}

/** The files that a file imports: by a statement, dynamically, or for a type. */
function importsOf(path: string, source: string): string[] {
  const specifiers = withoutComments(source).matchAll(
    /^\s*(?:import|export)\b[^"';]*?\bfrom\s*"(\.[^"]+)"|^\s*import\s*"(\.[^"]+)"|\bimport\(\s*"(\.[^"]+)"/gm,
  );
  const found = [...specifiers].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? "");
  return [...new Set(found)].map((specifier) => posix.join(posix.dirname(path), specifier));
}

const roomOf = (path: string): string => path.split("/")[0] ?? "";

function misplaced(path: string): string[] {
  if (!path.includes("/")) return [`${path}: no file is at the root of lib`];
  return roomOf(path) === "local" || rooms.includes(roomOf(path)) ? [] : [`${path}: there is no such room`];
}

function arrowsToTheRight(path: string, source: string): string[] {
  const from = roomOf(path);
  return importsOf(path, source).filter((target) => {
    const to = roomOf(target);
    if (from === to) return false;
    return from === "local" ? !roomsOfLocal.includes(to) : !rooms.slice(0, rooms.indexOf(from)).includes(to);
  }).map((target) => `${path} must not import ${target}`);
}

/** A cycle of imports, for each that a walk through all files closes. */
function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start >= 0) found.push(`imports in a circle: ${[...way.slice(start), path].join(" -> ")}`);
    if (start >= 0 || done.has(path)) return;
    for (const target of importsOf(path, sources.get(path) ?? "")) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return found;
}

function tooLong(path: string, source: string): string[] {
  const lines = source.trimEnd().split("\n").length;
  if (lines <= linesAtMost || generated.includes(path)) return [];
  return [`${path} has ${lines} lines, ${linesAtMost} at most`];
}

/** A line with which a block of code begins that is no function. */
const otherBlock =
  /^(?:\}? ?(?:if|else|for|while|switch|catch|try|do|finally)\b|class\b|export (?:abstract )?class\b)/;

/**
 * The functions of a file by the line in which each begins, with their lengths. `deno fmt` lays all code out, so that a
 * block ends with the first line of the same indentation that begins with a brace.
 */
function functionsIn(source: string): { readonly line: number; readonly length: number }[] {
  const lines = withoutComments(source).split("\n");
  const indentOf = (line: string): number => line.length - line.trimStart().length;
  return lines.flatMap((line, index) => {
    const text = line.trim();
    if (!/(?:=>|\)|\)(?:: .+)?) \{$/.test(text) || otherBlock.test(text)) return [];
    const isSibling = (other: string): boolean => other.trim() !== "" && indentOf(other) === indentOf(line);
    // A long head begins above the line that ends it.
    let start = index;
    if (/^\)|^\}.*(?<!=>) \{$/.test(text)) { do start--; while (!isSibling(lines[start] ?? "")); }
    if (otherBlock.test((lines[start] ?? "").trim())) return [];
    const end = lines.findIndex((each, at) => at > index && isSibling(each) && each.trim().startsWith("}"));
    return [{ line: start + 1, length: end - start + 1 }];
  });
}

function longFunctions(path: string, source: string): string[] {
  return functionsIn(source).filter(({ length }) => length > functionLinesAtMost)
    .map(({ line, length }) =>
      `${path}:${line}: a function of ${length} lines, ${functionLinesAtMost} at most`
    );
}

function otherDoorsOfTime(path: string, source: string): string[] {
  if (path === clockFile) return [];
  return [...new Set(withoutComments(source).match(doorsOfTime))]
    .map((door) => `${path}: ${door} belongs to ${clockFile} alone`);
}

/** Every breach of the rules, as a sentence that names the file. */
function breachesOf(sources: Sources): string[] {
  const rules = [misplaced, arrowsToTheRight, tooLong, longFunctions, otherDoorsOfTime];
  return [
    ...[...sources].flatMap(([path, source]) => rules.flatMap((rule) => rule(path, source))),
    ...cycles(sources),
  ];
}

function readFolder(name: "lib" | "cli"): Sources {
  const folder = new URL(`../../${name}/`, import.meta.url);
  const paths = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) =>
    path.replaceAll("\\", "/")
  );
  return new Map(
    paths.filter((path) => /\.m?ts$/.test(path)).sort().map((
      path,
    ) => [path, readFileSync(new URL(path, folder), "utf8")]),
  );
}

const test = suite("the architecture of lib");

test("lib keeps its rules", () => {
  const sources = readFolder("lib");
  assert.ok(sources.size > 100, `only ${sources.size} files were read`);
  assert.equal(breachesOf(sources), []);
});

test("the files of lib are read: every room imports, and has functions", () => {
  const sources = [...readFolder("lib")];
  for (const room of [...rooms, "local"]) {
    const own = sources.filter(([path]) => roomOf(path) === room);
    assert.ok(own.some(([path, source]) => importsOf(path, source).length > 0), `${room} imports nothing`);
    assert.ok(own.some(([, source]) => functionsIn(source).length > 0), `${room} has no functions`);
  }
});

/** What a file, and all that it imports to run, import of Node's. A dynamic import may never be made. */
function ofNodeIn(path: string, sources: Sources): string[] {
  const found = new Map<string, string[]>();
  const visit = (each: string): void => {
    if (found.has(each)) return;
    const code = withoutComments(sources.get(each) ?? "");
    const statements = [
      ...code.matchAll(
        /^\s*(?:import|export)\b(?!\s+type\b)[^"';]*?\bfrom\s*"([^"]+)"|^\s*import\s*"([^"]+)"/gm,
      ),
    ].map(([, from, bare]) => from ?? bare ?? "");
    found.set(each, statements.filter((specifier) => specifier.startsWith("node:")));
    const own = statements.filter((specifier) => specifier.startsWith("."));
    for (const specifier of own) visit(posix.join(posix.dirname(each), specifier));
  };
  visit(path);
  return [...found].flatMap(([each, names]) => names.map((name) => `${each} imports ${name}`));
}

test("telegram-signals/signals imports nothing of Node's, so that it works in a browser", () => {
  assert.equal(ofNodeIn("signals/mod.ts", readFolder("lib")), []);
  const sources = new Map([
    ["a.ts", 'import type { A } from "./c.ts";\nexport { b } from "./b.ts";'],
    ["b.ts", 'import {\n  inspect,\n} from "node:util";\nimport "node:fs";'],
    ["c.ts", 'import "node:os";'],
  ]);
  assert.equal(ofNodeIn("a.ts", sources), ["b.ts imports node:util", "b.ts imports node:fs"]);
});

test("the command keeps the sizes, and does not import in circles", () => {
  const sources = readFolder("cli");
  assert.ok(sources.size > 20, `only ${sources.size} files were read`);
  const long = [...sources].flatMap((each) => [...tooLong(...each), ...longFunctions(...each)]);
  assert.equal([...long, ...cycles(sources)], []);
});

/** Each breaks one rule, beside files that keep all. */
const broken: Readonly<Record<string, readonly [files: Readonly<Record<string, string>>, breach: RegExp]>> = {
  "a file at the root": [{ "later.ts": "" }, /^later\.ts: no file is at the root/],
  "another folder": [{ "helpers/a.ts": "" }, /^helpers\/a\.ts: there is no such room/],
  "an import": [
    { "chats/b.ts": 'import { a } from "../bot/a.ts";' },
    /^chats\/b\.ts must not import bot\/a\.ts$/,
  ],
  "an import over several lines": [
    { "util/b.ts": 'import {\n  a,\n  type B,\n} from "../telegram/a.ts";' },
    /^util\/b\.ts must not import telegram\/a\.ts$/,
  ],
  "an import of a type": [
    { "util/b.ts": 'import type { A } from "../chats/a.ts";' },
    /must not import chats\/a\.ts$/,
  ],
  "a type by an expression": [
    { "util/b.ts": 'type A = import("../chats/a.ts").A;' },
    /must not import chats\/a\.ts$/,
  ],
  "an import for its effects": [{ "util/b.ts": 'import "../chats/a.ts";' }, /must not import chats\/a\.ts$/],
  "a dynamic import": [
    { "signals/b.ts": 'const a = async () => (await import("../bot/a.ts")).a;' },
    /^signals\/b\.ts must not import bot\/a\.ts$/,
  ],
  "an export from elsewhere": [
    { "chats/b.ts": 'export { a } from "../bot/a.ts";' },
    /must not import bot\/a\.ts$/,
  ],
  "the test kit on the chats": [
    { "local/b.ts": 'import "../chats/a.ts";' },
    /^local\/b\.ts must not import chats\/a\.ts$/,
  ],
  "a room on the test kit": [
    { "bot/b.ts": 'import "../local/a.ts";' },
    /^bot\/b\.ts must not import local\/a\.ts$/,
  ],
  "a cycle": [
    {
      "chats/b.ts": 'import "./c.ts";',
      "chats/c.ts": 'import type { D } from "./d.ts";',
      "chats/d.ts": 'import("./b.ts");',
    },
    /^imports in a circle: chats\/b\.ts -> chats\/c\.ts -> chats\/d\.ts -> chats\/b\.ts$/,
  ],
  "a long file": [{ "util/b.ts": "f();\n".repeat(401) }, /^util\/b\.ts has 401 lines/],
  "a long function": [
    { "util/b.ts": `const a = 1;\nexport async function f() {\n${"  g();\n".repeat(59)}}\n` },
    /^util\/b\.ts:2: a function of 61 lines/,
  ],
  "a long function with many parameters": [
    { "util/b.ts": `function f(\n  a: A,\n  b: B,\n): Promise<void> {\n${"  g();\n".repeat(56)}}\n` },
    /^util\/b\.ts:1: a function of 61 lines/,
  ],
  "a long function with a parameter in pieces": [
    {
      "util/b.ts": `function f({ a, b }: {\n  a: A;\n  b: B;\n}): Promise<void> {\n${
        "  g();\n".repeat(56)
      }}\n`,
    },
    /^util\/b\.ts:1: a function of 61 lines/,
  ],
  "a long method": [
    { "util/b.ts": `class A {\n  async #f<T>(a: T): Promise<T> {\n${"    g();\n".repeat(59)}  }\n}\n` },
    /^util\/b\.ts:2: a function of 61 lines/,
  ],
  "a long arrow function": [
    { "util/b.ts": `export const f = () => {\n${"  g();\n".repeat(59)}};\n` },
    /^util\/b\.ts:1: a function of 61 lines/,
  ],
  "a timer": [
    { "util/b.ts": "const timer = setTimeout(f, 5);" },
    /^util\/b\.ts: setTimeout belongs to util\/clock\.ts/,
  ],
  "the time": [{ "local/b.ts": "const now = Date.now();" }, /^local\/b\.ts: Date\.now belongs to/],
  "the date": [{ "bot/b.ts": "const date = new Date();" }, /^bot\/b\.ts: new Date\(\) belongs to/],
  "the time since the start": [
    { "bot/b.ts": "const ms = performance.now();" },
    /performance\.now belongs to/,
  ],
  "a signal with a timer": [{ "bot/b.ts": "f(AbortSignal.timeout(5));" }, /AbortSignal\.timeout belongs to/],
  "chance": [{ "bot/b.ts": "const n = Math.random();" }, /Math\.random belongs to/],
  "an id by chance": [{ "bot/b.ts": 'import { randomUUID } from "node:crypto";' }, /randomUUID belongs to/],
};

/** Keeps all rules, and looks at times as if it did not. */
const sound: Sources = new Map([
  ["util/a.ts", "export const a = 1;\n"],
  ["util/clock.ts", "export const now = () => Date.now();\n"],
  [
    "chats/a.ts",
    '/** As `Date.now()`. */\n// import "../bot/a.ts";\nimport { a } from "../util/a.ts";\nexport { a };\n',
  ],
  [
    "bot/a.ts",
    `import("../chats/a.ts");\nconst date = new Date(5);\nclass A {\n${"  f() {}\n".repeat(99)}}\n`,
  ],
  ["local/a.ts", `import "../util/a.ts";\nif (a) {\n${"  f();\n".repeat(99)}}\n`],
  ["signals/chart/font.ts", "f();\n".repeat(999)],
]);

test("files that keep the rules pass", () => assert.equal(breachesOf(sound), []));

for (const [what, [files, breach]] of Object.entries(broken)) {
  test(`${what} is found`, () => {
    const breaches = breachesOf(new Map([...sound, ...Object.entries(files)]));
    assert.is(breaches.length, 1, breaches.join("\n"));
    assert.match(breaches[0] ?? "", breach);
  });
}

test.run();
