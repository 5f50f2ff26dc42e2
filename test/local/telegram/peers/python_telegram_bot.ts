/** A bot of python-telegram-bot 13, in a process of its own. On Debian 12 it is python3-python-telegram-bot. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { BotApiServer } from "../../../../lib/local/mod.ts";
import { assert } from "../../../harness.ts";
import { echoOf, type Peer, words } from "./peer.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("python_telegram_bot.py", import.meta.url));

/** A Python that has the library; Debian's packages are its own Python's. */
export async function findPython(): Promise<string | undefined> {
  const check = 'import telegram.ext, telegram; assert telegram.__version__.startswith("13.")';
  for (const python of ["/usr/bin/python3", "python3"]) {
    if (await run(python, ["-c", check]).then(() => true, () => false)) return python;
  }
  return undefined;
}

export async function startPythonTelegramBot(
  python: string,
  { token, apiRoot }: BotApiServer,
): Promise<Peer> {
  const settings = {
    TELEGRAM_BOT_TOKEN: token,
    TELEGRAM_API_ROOT: apiRoot,
    PEER_WORDS: JSON.stringify({ ...words, echo: echoOf("{}") }),
  };
  const child = spawn(python, [script], {
    env: { ...process.env, ...settings },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const exit = once(child, "exit");
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  await Promise.race([once(child.stdout, "data"), exit]);
  assert.is(child.exitCode, null, `it does not start: ${errors}`);
  return {
    stop: async (): Promise<void> => {
      child.stdin.end();
      assert.equal((await exit)[0], 0, errors);
    },
  };
}
