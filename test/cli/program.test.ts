/** The command `telegram-signals`: its commands, and what it says where none is meant. */
import { version } from "../../cli/version.ts";
import { assert, suite } from "../harness.ts";
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
  const names = ["chats", "broadcast", "send"];
  const helps = await Promise.all(names.map((name) => run(name, "--help")));
  for (const [index, { status, output }] of helps.entries()) {
    assert.is(status, 0, output);
    assert.match(output, `\n  telegram-signals ${names[index]} `);
    assert.match(output, /\nExit status: /);
  }
});

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
