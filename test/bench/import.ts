/** How long it takes to import the package, in processes that have just begun. */
import { build, entryPoint, importOf } from "./import_time.ts";
import { report } from "./report.ts";
import type { Row } from "./row.ts";
import { type Cost, medianOf, ratioOf, takeTurns } from "./sample.ts";

const rounds = 31;

/** What a bot in DynamoDB cannot do without. */
const dependencies = ["grammy/web", "@aws-sdk/client-dynamodb"];

function row(measure: string, ours: readonly number[], bare: readonly number[]): Row {
  return {
    measure,
    unit: " ms",
    ours: medianOf(ours),
    other: { name: dependencies.join(" + "), value: medianOf(bare) },
    ratio: ratioOf(ours, bare),
  };
}

await report(async () => {
  await build();
  const { ours, bare } = await takeTurns(rounds, {
    ours: () => importOf([entryPoint()]),
    bare: () => importOf(dependencies),
  });
  const time = (costs: readonly Cost[]): number[] => costs.map(({ seconds }) => 1000 * seconds);
  const cpu = (costs: readonly Cost[]): number[] => costs.map(({ cpuSeconds }) => 1000 * cpuSeconds);
  return [
    {
      ...row("import of the package", time(ours), time(bare)),
      target: { of: "ratio", is: "at most", value: 1.15 },
    },
    row("import of the package: CPU", cpu(ours), cpu(bare)),
  ];
});
