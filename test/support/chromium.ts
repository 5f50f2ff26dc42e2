/** A Chromium that is installed on this machine; none is ever downloaded. */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type BrowserContext, chromium } from "playwright-core";

const variable = "CHROMIUM_PATH";
const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

export const notFound: string = `no Chromium was found (${variable} may name one)`;

export function findChromium(): string | undefined {
  const named = process.env[variable];
  return (named === undefined ? places : [named]).find((place) => existsSync(place));
}

/** Without these it would contact its maker's servers. */
const quiet = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Calls the body with a browser that has an empty profile. */
export async function withBrowser(body: (browser: BrowserContext) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "telegram-signals-browser-"));
  const executablePath = findChromium() ?? "";
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", ...quiet];
  const browser = await chromium.launchPersistentContext(folder, { executablePath, args, headless: true });
  try {
    await body(browser);
  } finally {
    await browser.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
