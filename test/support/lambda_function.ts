/** The function of examples/lambda, run as its template says. */
import { spawn } from "node:child_process";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { root } from "./script.ts";
import { lambdaFolder, readTemplate } from "./template.ts";

export interface LambdaFunction {
  readonly url: string;
  /** What a direct invocation with this event gives. */
  invoke(event: unknown): Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Leaves out bundles that were made in the example's folder. */
const isOwn = (path: string): boolean => !path.includes("telegram-signals.");

/** Starts the template's function in a folder with the bundle; its environment is the template's, and little more. */
export async function startFunction(
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<LambdaFunction> {
  const { CodeUri, Handler } = readTemplate().Resources.Bot.Properties;
  await cp(new URL(CodeUri, lambdaFolder), folder, { recursive: true, filter: isOwn });
  const server = join(root, "test", "support", "function_url.mjs");
  const child = spawn(process.execPath, [server, join(folder, Handler.replace(".handler", ".mjs"))], {
    cwd: folder,
    env: { PATH: process.env["PATH"], AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true", ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").once("data", (line: string) => resolve(line.trim()));
    ended.then(() => reject(new Error("The function has not started")));
  });
  return {
    url,
    invoke: async (event) => await (await fetch(url, { method: "PUT", body: JSON.stringify(event) })).json(),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
