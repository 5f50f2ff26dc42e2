/** The command `telegram-signals`: its commands, and what it says where none is meant. */
import { version } from "../../cli/version.ts";
import { assert, suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { runScript } from "../support/script.ts";

const test = suite("telegram-signals", undefined, 120_000);
const run = (...args: string[]): ReturnType<typeof runScript> => runScript(["cli/main.ts", ...args]);

test("without arguments, as with --help, it names its commands; --version is the package's", async () => {
  const [nothing, help, other] = await Promise.all([run(), run("--help"), run("--version")]);
  for (const name of ["chats", "broadcast", "send", "sandbox", "playground"]) {
    assert.match(help.output, new RegExp(`^  ${name} +\\w`, "m"));
  }
  assert.equal([nothing.output, help.status], [help.output, 0]);
  assert.equal([other.output, other.status], [`${version}\n`, 0]);
});

test("each command explains itself", async () => {
  const names = ["chats", "broadcast", "send", "sandbox", "playground"];
  const helps = await Promise.all(names.map((name) => run(name, "--help")));
  for (const [index, { status, output }] of helps.entries()) {
    assert.is(status, 0, output);
    assert.match(output, new RegExp(`\\n  \\S.* ${names[index]} `));
    assert.match(output, /\nExit status: /);
  }
});

/** What a user types, without the arguments. */
function typed(script: string): string {
  const set = /sandbox|playground/.test(script) ? "-P=sandbox" : "-P";
  return { Node: `npx tsx ${script}`, Deno: `deno run ${set} ${script}`, Bun: `bun ${script}` }[runtime];
}

test("a help can be copied: it names what the user has typed", async () => {
  const names = ["manage_chats", "broadcast", "sandbox", "playground", "live_scheduler", "test_persistence"];
  const scripts = names.map((name) => `examples/${name}.ts`);
  const helps = await Promise.all(scripts.map((script) => runScript([script, "--help"], {}, "-P", "tsx")));
  for (const [index, { status, output }] of helps.entries()) {
    assert.is(status, 0, output);
    assert.is(output.split("\n")[2]?.startsWith(`  ${typed(scripts[index] ?? "")} `), true, output);
    assert.match(output, /\nExit status: [^]*; 2 for a\s+mistake/, scripts[index]);
  }
  const { output } = await runScript(["cli/main.ts", "send", "--help"], {}, "-P", "tsx");
  assert.match(output, `\n  ${typed("cli/main.ts")} send --direction long `);
});

if (runtime === "Node") {
  test("a script of package.json is named by its name", async () => {
    const npm = { npm_command: "run", npm_lifecycle_event: "sandbox" };
    for (
      const [line, self] of [["examples/sandbox.ts", "npm run sandbox --"], [
        "test/run.ts",
        "npx tsx examples/sandbox.ts",
      ]]
    ) {
      const env = { ...npm, npm_lifecycle_script: `tsx ${line}` };
      const { output } = await runScript(["examples/sandbox.ts", "--help"], env, "-P", "tsx");
      assert.match(output, `\n  ${self} [--fresh]`);
    }
  });
}

test("a command that is misspelt gets the nearest one", async () => {
  const mistakes: [string[], string][] = [
    [["brodcast", "Hi"], 'There is no command "brodcast" (did you mean broadcast?); --help explains\n'],
    [["chats", "lst"], 'There is no command "lst" (did you mean list?); --help explains\n'],
    [
      ["\u001b[2Jconstructor"],
      'There is no command "\\u001b[2Jconstructor": chats, broadcast, send, sandbox, playground; --help explains\n',
    ],
  ];
  for (const [args, words] of mistakes) {
    const { status, output } = await run(...args);
    assert.equal([output, status], [words, 2]);
  }
});

test.run();
