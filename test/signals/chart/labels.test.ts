/** Charts of any kind: words that can be read, and a picture whatever stands in it. */
import fc from "fast-check";
import { drawSvg } from "../../../lib/signals/chart/draw.ts";
import { render } from "../../../lib/signals/chart/render.ts";
import { widthOf } from "../../../lib/signals/chart/svg.ts";
import { assert, suite } from "../../harness.ts";
import { bands, flawsOf, scenes } from "../../support/chart_scenes.ts";
import { pixelsOf, someCandles, specimens } from "../../support/charts.ts";

const test = suite("chart: words", undefined, 60_000);

test("no word is over another, cut or unreadable, whatever is drawn", () => {
  fc.assert(fc.property(scenes, (scene) => assert.equal(flawsOf(drawSvg(scene)), [])), { numRuns: 150 });
});

test("flawsOf() finds what is wrong with words", async () => {
  const [{ signal, candles, theme }] = specimens as [typeof specimens[0] & object];
  const svg = drawSvg({ signal, candles: await someCandles(candles), theme, bands });
  assert.equal(flawsOf(svg), []);
  const copy = svg.replace(/<text [^>]*>Entry<\/text>/, "$&$&");
  assert.equal(flawsOf(copy), ['"Entry" over "Entry"']);
  assert.equal(
    flawsOf(svg.replace("Risk/reward", "Risk/reward, in words that are far too long for it")).length > 0,
    true,
  );
});

test("what is drawn is a picture, whatever stands in it", async () => {
  await fc.assert(
    fc.asyncProperty(scenes, async (scene) => {
      const png = await render(drawSvg(scene));
      assert.ok(png.length > 5000 && png.length < 200_000, `${png.length} bytes`);
    }),
    { numRuns: 6 },
  );
});

test("words are as wide as one thinks they are", async () => {
  const words = "Stop −0.21 % BTC-USD 0.00001234 Risk/reward 1 : 2.44 Bollinger 20 × 2σ";
  const width = widthOf(words, 30);
  const picture = (at: number): string =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="100"><text x="${at}" y="60" font-size="30" ` +
    `font-family="Inter Medium">${words}</text></svg>`;
  const inked = await inkOf(picture(20));
  assert.ok(inked.right > 20 + width - 6 && inked.right <= 20 + width, `${inked.right} for ${20 + width}`);
});

/** The right edge of what is written. */
async function inkOf(svg: string): Promise<{ right: number }> {
  const { data, width } = pixelsOf(await render(svg));
  let right = 0;
  for (let index = 3; index < data.length; index += 4) {
    if ((data[index] ?? 0) > 128) right = Math.max(right, (index - 3) / 4 % width);
  }
  return { right };
}

test.run();
