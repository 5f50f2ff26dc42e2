/** Pictures and the playground's page in a real browser, where one is found. */
import { findChromium, notFound } from "../support/chromium.ts";

if (findChromium() === undefined) {
  console.log(`not run: ${notFound}`);
  console.log("0 passed, 0 failed");
} else {
  await import("./pictures.ts");
  await import("./playground_page.ts");
}
