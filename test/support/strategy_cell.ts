/** A cell with a strategy that is run twice, changed; prints how many of its runs go on. Run by `notebook.test.ts`. */
import process from "node:process";
import { runStrategies, type Strategy, type StrategyRun, syntheticFeed } from "../../lib/live/mod.ts";
import { InMemoryChatStorage, type Logger, SignalBot } from "../../mod.ts";
import { startBotApiServer } from "../../lib/local/mod.ts";
import { playKernel } from "./kernel.ts";

if (process.argv[2] === "notebook") playKernel();

await using server = await startBotApiServer();
await using bot = new SignalBot({
  ...{ botToken: server.token, apiRoot: server.apiRoot, storage: new InMemoryChatStorage() },
});
const lines: string[] = [];
const log = (line: string): number => lines.push(line);
const logger: Logger = { info: log, warn: log, error: log };

function cell(name: string): StrategyRun {
  const strategy: Strategy = {
    name,
    symbols: ["X"],
    timeframes: ["5m"],
    warmUp: 1,
    onCandle: () => undefined,
  };
  return runStrategies({
    bot,
    feed: syntheticFeed({ seed: 1, intervalSeconds: 60 }),
    strategies: [strategy],
    logger,
  });
}

const runs = [cell("Mine"), cell("Other"), cell("Mine")];
const going = new Set(runs);
for (const run of runs) run.finished.then(() => going.delete(run), () => {});
await new Promise((resolve) => setTimeout(resolve, 500));
console.log(JSON.stringify({
  going: runs.map((run) => going.has(run)),
  told: lines.filter((line) => line.includes("takes its place")),
}));
for (const run of runs) await run.stop();
