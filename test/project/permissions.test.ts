/** What deno.json permits, and what a user sees who starts an example without it. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { type Ended, root, runScript } from "../support/script.ts";
import { hasTerminals, runAtTerminal } from "../support/terminal.ts";

const test = suite("permissions", undefined, 120_000);

interface Partition {
  readonly id: string;
  readonly outputs: { readonly dnsSuffix: string };
  readonly regions: Readonly<Record<string, unknown>>;
}

/** AWS's regions as the SDK knows them, without those that are cut off from the internet. */
function hostsOfRegions(service: string): string[] {
  const file = "node_modules/@aws-sdk/core/dist-es/submodules/client/util-endpoints/lib/aws/partitions.js";
  const [, literal = ""] = /partitionsInfo = (\{.*?\n\});/s.exec(readFileSync(join(root, file), "utf8")) ??
    [];
  const { partitions } = JSON.parse(literal) as { partitions: readonly Partition[] };
  return partitions.filter(({ id }) => !id.startsWith("aws-iso")).flatMap(({ outputs, regions }) =>
    Object.keys(regions).filter((region) => !region.endsWith("-global"))
      .map((region) => `${service}.${region}.${outputs.dnsSuffix}`)
  );
}

if (existsSync(join(root, "node_modules"))) {
  test("of AWS's hosts, -P permits DynamoDB's and STS's of each region, and no other", () => {
    const { permissions } = JSON.parse(readFileSync(join(root, "deno.json"), "utf8")) as {
      permissions: { default: { net: readonly string[] } };
    };
    const permitted = permissions.default.net.filter((host) => host.includes("amazon"));
    // Requests with the credentials of a role go to the account's own host, such as 123456789012.ddb.us-east-1.amazonaws.com.
    const needed = ["dynamodb", "*.ddb", "sts"].flatMap(hostsOfRegions);
    assert.ok(needed.length > 100);
    assert.equal([...permitted].sort(), needed.sort());
  });
}

/**
 * `deno run` with no permissions. The variable hides the program from Deno, which gives all permissions to a child that it
 * knows for a Deno.
 */
const denoRun = ["sh", "-c", 'exec "$DENO" run "$@"', "sh"] as const;
const denoEnv = { DENO: process.execPath };

/** Runs it with nobody at a terminal. */
function runDeno(...args: readonly string[]): Promise<Ended> {
  const [program, ...before] = denoRun;
  const options = { cwd: root, env: { ...process.env, ...denoEnv } };
  return new Promise((resolve) => {
    const child = execFile(program, [...before, ...args], options, (error, out, err) => {
      resolve({ status: Number(error?.code ?? 0), output: out + err });
    });
    child.stdin?.end();
  });
}

if (runtime === "Deno") {
  test("a host that is not permitted is named", async () => {
    const { status, output } = await runScript(["examples/manage_chats.ts", "list"], {
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      AWS_REGION: "eu-north-9",
    });
    assert.match(
      output,
      /DynamoDB cannot be reached.*Requires net access to "dynamodb\.eu-north-9\.amazonaws\.com:443"/,
    );
    assert.is(status, 1);
  });

  test("without -P and without a terminal, an example says in one line how to start it", async () => {
    const sets = { test_persistence: "-P", broadcast: "-P", manage_chats: "-P", live_scheduler: "-P" };
    for (const [name, set] of Object.entries({ ...sets, sandbox: "-P=sandbox", playground: "-P=sandbox" })) {
      const script = `examples/${name}.ts`;
      const { status, output } = await runDeno("--quiet", script, "it's");
      assert.is(output, `This program needs permissions: deno run ${set} ${script} 'it'\\''s'\n`);
      assert.is(status, 1);
    }
  });

  test("the command's help needs no permission, and a command says with which it is run", async () => {
    const commands = ["chats", "broadcast", "send", "sandbox", "playground"];
    const examples = [
      "manage_chats",
      "broadcast",
      "sandbox",
      "playground",
      "live_scheduler",
      "test_persistence",
    ];
    const calls = [
      ["cli/main.ts"],
      ...commands.map((name) => ["cli/main.ts", name]),
      ...examples.map((name) => [`examples/${name}.ts`]),
    ];
    for (const call of calls) {
      const { status, output } = await runDeno("--quiet", ...call, "--help");
      assert.is(status, 0, output);
      assert.match(output, new RegExp(`\\n  deno run -P\\S* ${call.join(" ")} `));
    }
    assert.match((await runDeno("--quiet", "cli/main.ts", "--version")).output, /^\d+\.\d+\.\d+\n$/);
    const { status, output } = await runDeno("--quiet", "cli/main.ts", "chats", "list");
    assert.is(output, "This program needs permissions: deno run -P cli/main.ts chats list\n");
    assert.is(status, 1);
  });

  if (hasTerminals) {
    test("deno run examples/test_persistence.ts asks four questions at a terminal, and then works", async () => {
      await using telegram = await startBotApiServer();
      await using database = await startDynamoDB();
      const env = {
        ...denoEnv,
        TELEGRAM_BOT_TOKEN: telegram.token,
        TELEGRAM_API_ROOT: telegram.apiRoot,
        AWS_ENDPOINT_URL_DYNAMODB: database.endpoint,
        AWS_REGION: database.region,
        AWS_ACCESS_KEY_ID: database.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: database.credentials.secretAccessKey,
      };
      const command = [...denoRun, "examples/test_persistence.ts", "--no-send"];
      const { status, output: text } = await runAtTerminal(command, { question: "Allow?", answer: "y", env });
      assert.is(status, 0, text);
      assert.match(text, /Deno asks 4 questions\. .*: deno run -P examples\/test_persistence\.ts --no-send/);
      const asked = [...text.matchAll(/^(.+)\n┏ .*Deno requests (\w+) access/gm)];
      assert.equal(asked.map(([, , kind]) => kind), ["env", "net", "read", "sys"], text);
      assert.is(text.split("Allow?").length, 1 + 4, text);
      assert.match(text, /Loaded 0 active chats from DynamoDB/);
    });
  }
}

test.run();
