/** How long a chart takes, and how large it is: once everything is loaded, and the first one of a process. */
import process from "node:process";
import { drawChart } from "../../lib/signals/chart/mod.ts";
import { someCandles, specimens } from "../support/charts.ts";
import type { Row } from "./report.ts";
import { medianOf } from "./sampling.ts";

const rounds = 20;

interface Drawn {
  readonly ms: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

async function draw(index: number): Promise<Drawn> {
  const specimen = specimens[index % specimens.length];
  if (specimen === undefined) throw new Error("unreachable: there are specimens");
  const candles = await someCandles(specimen.candles);
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  const png = await drawChart(specimen.signal, candles, { theme: specimen.theme });
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - start, cpuMs: (user + system) / 1000, bytes: png.length };
}

function row(measure: string, unit: string, ours: number, most?: number): Row {
  const target = most === undefined ? {} : { target: { of: "ours", is: "at most", value: most } as const };
  return { measure: `chart: ${measure}`, unit, ours, ...target };
}

export async function measure(): Promise<Row[]> {
  const first = await draw(0);
  const drawn: Drawn[] = [];
  // The first of them warm the compiler up.
  for (let round = -3; round < rounds; round++) {
    const one = await draw(round + 3);
    if (round >= 0) drawn.push(one);
  }
  return [
    row("time, once warm", " ms", medianOf(drawn.map(({ ms }) => ms)), 300),
    row("CPU, once warm", " ms", medianOf(drawn.map(({ cpuMs }) => cpuMs))),
    row("the first of a process", " ms", first.ms),
    row("the larger picture", " KB", Math.max(...drawn.map(({ bytes }) => bytes / 1000)), 200),
  ];
}
