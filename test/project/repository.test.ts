/** No file of the repository holds what looks like a secret, and its tools end when their work does. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, suite } from "../harness.ts";
import { run } from "../tools/support/program.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

const shapes: Readonly<Record<string, RegExp>> = {
  "a bot token": /(?<!\d)\d{8,10}:[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])/,
  "an AWS key id": /(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])/,
};

/** What a text seems to give away, with its line; never the secret itself. */
function secretsIn(text: string): string[] {
  return text.split("\n").flatMap((line, index) =>
    Object.entries(shapes).filter(([, shape]) => shape.test(line)).map(([what]) =>
      `${what} in line ${index + 1}`
    )
  );
}

/** Files that are tracked, or would be by the next `git add`. */
function ownFiles(): string[] {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const names = execFileSync("git", list, { cwd: root, encoding: "utf8" }).split("\0").filter(Boolean);
  return [...new Set(names)].filter((name) => existsSync(join(root, name)));
}

const test = suite("repository");

test("secretsIn() knows the shapes, and what only resembles them", () => {
  const token = `1234567890:${"A-b_5".repeat(7)}`;
  const key = `AKIA${"Z9".repeat(8)}`;
  assert.equal(secretsIn(`x\nTELEGRAM_BOT_TOKEN=${token}\n`), ["a bot token in line 2"]);
  assert.equal(secretsIn(`{"id":"${key}","token":"${token}"}`), [
    "a bot token in line 1",
    "an AWS key id in line 1",
  ]);
  assert.equal(secretsIn(`1234567890:short ${token}A ${key}A AKIA your_access_key 12:30:45`), []);
});

test("no file holds one", () => {
  const files = ownFiles();
  assert.ok(files.includes("package.json"));
  const found: string[] = [];
  for (const file of files) {
    const content = readFileSync(join(root, file));
    if (content.includes(0)) continue;
    found.push(...secretsIn(content.toString("utf8")).map((secret) => `${file}: ${secret}`));
  }
  assert.equal(found, []);
});

/** Lines that are a text and nothing else, after the end of a statement. */
function strayTexts(source: string): number[] {
  const lines = source.split("\n");
  return lines.flatMap((line, index) => {
    const before = lines[index - 1]?.trim() ?? "";
    return /^\s*(["'`])(?:(?!\1).)*\1;$/.test(line) && (before === "" || /[;{}]$/.test(before))
      ? [index + 1]
      : [];
  });
}

test("no statement is a text alone, which does nothing", () => {
  assert.equal(strayTexts('const a = "b";\n"c";\n\n  `d`;\nconst e =\n  "f";\nconst g = "h" +\n  "i";\n'), [
    2,
    4,
  ]);
  const found = ownFiles().filter((file) => /\.m?ts$/.test(file)).flatMap((file) =>
    strayTexts(readFileSync(join(root, file), "utf8")).map((line) => `${file}:${line}`)
  );
  assert.equal(found, []);
});

test("a program that is not there leaves no timer behind", async () => {
  const before = activeTimers();
  const failure = await run(root, "no-such-program").catch((error: Error) => error.message);
  assert.match(String(failure), "ENOENT");
  assert.is(activeTimers(), before);
});

/** As far as the runtime tells. */
function activeTimers(): number {
  return process.getActiveResourcesInfo?.().filter((kind) => kind === "Timeout").length ?? 0;
}

test.run();
