/** The sandbox that runs in a folder leaves its settings there, so that a second one can run its script in the first. */
import { readFile, rm, writeFile } from "node:fs/promises";

/** Environment variables with which a bot uses the sandbox's Telegram and DynamoDB. */
export type SandboxSettings = Readonly<Record<string, string>>;

const fileIn = (folder: string): string => `${folder}/running.json`;

/** The settings of the sandbox that runs there; `undefined` if none does. */
export async function runningSandbox(folder: string): Promise<SandboxSettings | undefined> {
  try {
    const settings = JSON.parse(await readFile(fileIn(folder), "utf8")) as SandboxSettings;
    const { TELEGRAM_API_ROOT: apiRoot, TELEGRAM_BOT_TOKEN: token } = settings;
    // One that was killed has left its file.
    const signal = AbortSignal.timeout(1000);
    const { ok } = await fetch(`${apiRoot}/bot${token}/getMe`, { signal });
    return ok ? settings : undefined;
  } catch {
    return undefined;
  }
}

/** Until it is disposed of, others find the sandbox. */
export async function announceSandbox(folder: string, settings: SandboxSettings): Promise<AsyncDisposable> {
  await writeFile(fileIn(folder), JSON.stringify(settings, null, 2), { mode: 0o600 });
  return { [Symbol.asyncDispose]: () => rm(fileIn(folder), { force: true }) };
}
