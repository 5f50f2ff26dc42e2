/** Pictures in a real browser that has none of their fonts. Run by `test/tools/browser.ts`. */
import type { Page } from "playwright-core";
import { backtest } from "../../lib/live/backtest.ts";
import { drawSvg } from "../../lib/signals/chart/draw.ts";
import { barChart } from "../../lib/util/html.ts";
import { assert, suite } from "../harness.ts";
import { candlesOf, long, scripted, short } from "../support/backtests.ts";
import { bands } from "../support/chart_scenes.ts";
import { someCandles } from "../support/charts.ts";
import { withBrowser } from "../support/chromium.ts";

const test = suite("pictures", undefined, 180_000);
const names = ["Breakout", "Mean reversion WWW", "Überläufer mit Maß und Ziel", "WM".repeat(30)];
const themes = ["light", "dark"] as const;
const prices = [100, [100, 121, 100, 120], 100, [100, 112, 99, 111], 100, [100, 106, 99, 105]] as const;

async function equity(): Promise<string[]> {
  const reports = names.map((name) => {
    const strategy = scripted({ 0: long, 2: short, 4: long }, { name: name.slice(0, 40) });
    return backtest({ strategy, candles: candlesOf(prices) });
  });
  return await Promise.all(
    (await Promise.all(reports)).flatMap((report) => themes.map((theme) => report.equityChart({ theme }))),
  );
}

async function charts(): Promise<string[]> {
  const candles = await someCandles(100);
  const levels = { direction: "long", entry: 60_000, stop: 59_900, target: 60_200, timeframe: "5m" } as const;
  return names.flatMap((symbol) =>
    themes.map((theme) => drawSvg({ signal: { ...levels, symbol }, candles, theme, bands }))
  );
}

/** Pairs of texts that are over each other, and those that leave the picture, as the browser draws them. */
function flawsIn(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { width, height } = document.querySelector("svg")!.viewBox.baseVal;
    const boxes = [...document.querySelectorAll("text")].map((text) => {
      const [{ x, y, width, height }, words] = [text.getBBox(), text.textContent];
      // The boxes of lines are higher than their letters.
      return { words, left: x, right: x + width, top: y + 0.25 * height, bottom: y + 0.75 * height };
    });
    const pairs = boxes.flatMap((one, index) =>
      boxes.slice(index + 1).filter((it) =>
        one.left < it.right && it.left < one.right && one.top < it.bottom && it.top < one.bottom
      ).map((other) => `"${one.words}" over "${other.words}"`)
    );
    const outside = boxes.filter(({ left, right, bottom }) =>
      left < -1 || right > width + 1 || bottom > height
    );
    return [...pairs, ...outside.map(({ words }) => `"${words}" is cut`)];
  });
}

test("no word is over another or cut, whatever the browser's fonts are", async () => {
  const bars = String(barChart(Array(30).fill(3), {
    ...{ title: "Chats by the day of their last message", first: "29 days ago", last: "today" },
    label: String,
  }));
  const pictures = [...await equity(), ...await charts(), bars];
  await withBrowser(async (browser) => {
    const page = await browser.newPage();
    for (const font of ["monospace", "sans-serif", "serif"]) {
      for (const svg of pictures) {
        await page.setContent(svg.replaceAll(/font-family="[^"]*"/g, `font-family="${font}"`));
        assert.equal(await flawsIn(page), [], font);
      }
    }
  });
});

test.run();
