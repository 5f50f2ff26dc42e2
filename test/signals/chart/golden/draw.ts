/** Draws the pictures anew that tests compare with: `npx tsx test/signals/chart/golden/draw.ts`. Look at them before you keep them. */
import { writeFile } from "node:fs/promises";
import { drawChart } from "../../../../lib/signals/chart/mod.ts";
import { goldenFile, someCandles, specimens } from "../../../support/charts.ts";

for (const { theme, candles, signal } of specimens) {
  await writeFile(goldenFile(theme), await drawChart(signal, await someCandles(candles), { theme }));
}
