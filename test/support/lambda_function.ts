/** A function of examples/lambda, run as its template says. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { root } from "./script.ts";

export interface LambdaFunction {
  readonly url: string;
  /** What a direct invocation with this event gives. */
  invoke(event: unknown): Promise<unknown>;
  /** What the function has written to its log. */
  readonly log: () => string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts the function in a folder that has its code; its environment is the given one, and little more. */
export async function startFunction(
  folder: string,
  handler: string,
  env: Readonly<Record<string, string>>,
): Promise<LambdaFunction> {
  const server = join(root, "test", "support", "function_url.mjs");
  const child = spawn(process.execPath, [server, join(folder, handler.replace(".handler", ".mjs"))], {
    cwd: folder,
    env: { PATH: process.env["PATH"], AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true", ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => log += text);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", (line: string) => resolve(line.trim()));
    ended.then(() => reject(new Error(`The function has not started: ${log}`)));
  });
  child.stdout.on("data", (text: string) => log += text);
  return {
    url,
    invoke: async (event) => await (await fetch(url, { method: "PUT", body: JSON.stringify(event) })).json(),
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
