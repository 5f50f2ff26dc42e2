/** What deno.json permits, and what a user sees who starts an example without it. */
import { execFile, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { runtime } from "../support/runtime.ts";
import { root, runScript } from "../support/script.ts";

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

interface Shown {
  readonly status: number;
  readonly text: string;
}

/**
 * Runs `deno run` with no permissions. `before` is a command that runs the command after it. The variable hides the program
 * from Deno, which gives all permissions to a child that it knows for a Deno.
 */
function denoRun(
  args: readonly string[],
  before: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Shown> {
  const [program = "", ...rest] = [...before, "sh", "-c", 'exec "$DENO" run "$@"', "sh", ...args];
  const options = { cwd: root, env: { ...process.env, ...env, DENO: process.execPath } };
  return new Promise((resolve) => {
    const child = execFile(program, rest, options, (error, out, err) => {
      resolve({ status: Number(error?.code ?? 0), text: out + err });
    });
    child.stdin?.end();
  });
}

const terminal = ["python3", fileURLToPath(new URL("../support/terminal.py", import.meta.url))];

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
      const { status, text } = await denoRun(["--quiet", script]);
      assert.is(text, `This program needs permissions: deno run ${set} ${script}\n`);
      assert.is(status, 1);
    }
  });

  if (spawnSync("python3", ["-c", "import pty"]).status === 0) {
    test("deno run examples/test_persistence.ts asks four questions at a terminal, and then works", async () => {
      await using telegram = await startBotApiServer();
      await using database = await startDynamoDB();
      const { status, text } = await denoRun(["examples/test_persistence.ts", "--no-send"], terminal, {
        TELEGRAM_BOT_TOKEN: telegram.token,
        TELEGRAM_API_ROOT: telegram.apiRoot,
        AWS_ENDPOINT_URL_DYNAMODB: database.endpoint,
        AWS_REGION: database.region,
        AWS_ACCESS_KEY_ID: database.credentials.accessKeyId,
        AWS_SECRET_ACCESS_KEY: database.credentials.secretAccessKey,
      });
      assert.is(status, 0, text);
      assert.match(text, /Deno asks 4 questions\. .*: deno run -P examples\/test_persistence\.ts/);
      const asked = [...text.matchAll(/^(.+)\n┏ .*Deno requests (\w+) access/gm)];
      assert.equal(asked.map(([, , kind]) => kind), ["env", "net", "read", "sys"], text);
      assert.is(text.split("Allow?").length, 1 + 4, text);
      assert.match(text, /Loaded 0 active chats from DynamoDB/);
    });
  }
}

test.run();
