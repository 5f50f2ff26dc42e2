/**
 * The container of `examples/docker`, as far as it can be seen without Docker: the program as the first process of its
 * namespace, where the system can make one, and the health check's own command.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { environmentVariables } from "../../cli/sandbox/environment_variables.ts";
import { startBotApiServer, startDynamoDB } from "../../lib/local/mod.ts";
import { assert, suite } from "../harness.ts";
import { deadAddress, until } from "../support/bot.ts";
import { commandFor, runtime } from "../support/runtime.ts";
import { root, type Running, startScript } from "../support/script.ts";

const test = suite("examples/docker", undefined, 60_000);
const script = "examples/docker/app.mts";
const dockerfile = readFileSync(join(root, "examples/docker/Dockerfile"), "utf8").replaceAll("\\\n", "");

/** The arguments of an instruction, which the Dockerfile has once. */
function instruction(name: string): string {
  const [found, ...more] = [...dockerfile.matchAll(new RegExp(`^${name} (.*)$`, "gm"))];
  assert.equal(more, [], `${name} stands there once`);
  return found?.[1] ?? "";
}

/** As Docker runs it: 0 healthy, 1 unhealthy. */
function healthCheck(port: number): Promise<number | null> {
  const [program, option, code = ""] = JSON.parse(/CMD (.*)$/.exec(instruction("HEALTHCHECK"))?.[1] ?? "[]");
  assert.equal([program, option], ["node", "-e"]);
  const args = runtime === "Deno" ? ["eval", code] : ["-e", code];
  const child = spawn(process.execPath, args, { env: { ...process.env, HEALTH_PORT: String(port) } });
  return new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

interface Container {
  readonly program: Running;
  readonly port: number;
}

async function withContainer(
  more: Readonly<Record<string, string>>,
  body: (container: Container) => Promise<void>,
): Promise<void> {
  await using telegram = await startBotApiServer();
  await using database = await startDynamoDB();
  const port = await freePort();
  const env = { ...environmentVariables(telegram, database), HEALTH_PORT: String(port), ...more };
  const program = startScript([script], env, "-P=test");
  try {
    await body({ program, port });
  } finally {
    program.kill("SIGKILL");
    await program.ended;
  }
}

test("the image runs the program, and not as root", () => {
  assert.equal(JSON.parse(instruction("CMD")), ["node", "app.mts"]);
  assert.is(instruction("USER"), "node");
  assert.ok(dockerfile.indexOf("\nUSER") > dockerfile.indexOf("npm ci --omit=dev"));
  const [, spool = ""] = /TELEGRAM_SPOOL_FILE=(\S+)/.exec(dockerfile) ?? [];
  assert.ok(spool.startsWith(`${instruction("VOLUME")}/`), spool);
  assert.is(instruction("STOPSIGNAL"), "", "docker stop sends SIGTERM");
});

test("it is healthy while it hears commands, and SIGTERM ends it", async () => {
  await withContainer({}, async ({ program, port }) => {
    await program.printed("is ready");
    await until(async () => await healthCheck(port) === 0, "it is not healthy");
    program.kill("SIGTERM");
    const { status, output } = await program.ended;
    assert.is(status, 0, output);
    assert.is(await healthCheck(port), 1, "nobody answers any more");
  });
});

test("it is unhealthy while it waits for the network, and SIGTERM ends that", async () => {
  await withContainer({ TELEGRAM_API_ROOT: await deadAddress() }, async ({ program, port }) => {
    await program.printed("cannot be reached");
    assert.is(await healthCheck(port), 1);
    assert.is((await fetch(`http://127.0.0.1:${port}`)).status, 503);
    program.kill("SIGTERM");
    const { status, output } = await program.ended;
    assert.is(status, 0, output);
  });
});

test("a refused token ends it with status 1", async () => {
  await withContainer({ TELEGRAM_BOT_TOKEN: `1:AA${"x".repeat(33)}` }, async ({ program }) => {
    const { status, output } = await program.ended;
    assert.is(status, 1, output);
    assert.match(output, /TelegramError: .*token/);
  });
});

/** Deno itself reads nothing of other processes without all permissions. */
const ofProcess = (path: string): string => execFileSync("cat", [`/proc/${path}`], { encoding: "utf8" });

const namespace = ["unshare", ["-r", "--pid", "--fork", "--kill-child"]] as const;
if (spawnSync(namespace[0], [...namespace[1], "true"]).status !== 0) {
  console.log("not run: no namespace of processes can be made here (unshare -r --pid)");
} else {
  test("as the first process, as in a container, it ends at SIGTERM, too", async () => {
    await using telegram = await startBotApiServer();
    await using database = await startDynamoDB();
    const env = { ...environmentVariables(telegram, database), HEALTH_PORT: String(await freePort()) };
    const [program, flags] = namespace;
    const outer = spawn(program, [...flags, ...commandFor(script, "-P=test")], {
      cwd: root,
      env: { ...process.env, ...env },
    });
    const ended = new Promise((resolve) => outer.once("close", resolve));
    try {
      await until(() => telegram.countCalls("getUpdates") > 0, "it does not poll");
      const { pid } = outer;
      const inner = Number(ofProcess(`${pid}/task/${pid}/children`));
      assert.match(ofProcess(`${inner}/status`), /^NSpid:.*\t1$/m);
      process.kill(inner, "SIGTERM");
      assert.is(await ended, 0);
    } finally {
      outer.kill("SIGKILL");
    }
  });
}

test.run();
