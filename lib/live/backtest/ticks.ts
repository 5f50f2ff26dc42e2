/** Round values for the axes of a picture. */
import { dayMs } from "../../util/clock.ts";
import { months } from "./summary.ts";

/** A place on an axis. */
export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** Multiples of 1, 2 or 5 times a power of ten between two values: at most `most` of them. */
export function roundValues(lowest: number, highest: number, most: number): number[] {
  const span = highest - lowest;
  if (!(span > 0 && span < Infinity)) return [];
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10, 20].map((each) => each * power).find((each) => span / each <= most) ?? span;
  const first = Math.ceil(lowest / step);
  const count = Math.floor(highest / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => (first + index) * step || 0);
}

/** How many decimals tell neighbours apart. */
export function decimalsOf(values: readonly number[]): number {
  const step = (values[1] ?? 1) - (values[0] ?? 0);
  return Math.min(8, Math.max(0, -Math.floor(Math.log10(Math.abs(step)) + 1e-9)));
}

const hourMs = dayMs / 24;
const shortSteps = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336].map((hours) => hours * hourMs);
const monthSteps = [1, 2, 3, 6, 12, 24, 60, 120, 240];
const monthMs = 30 * dayMs;

/** Round times in UTC, `most` at most: `06:00`, `5 Jan` at midnight, `Jan 2026` where they are months. */
export function roundTimes(from: number, to: number, most: number): Tick[] {
  const step = shortSteps.find((each) => (to - from) / each <= most);
  if (step === undefined) return roundMonths(from, to, most);
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => {
    const date = new Date((first + index) * step);
    const isMidnight = date.getTime() % dayMs === 0;
    const label = isMidnight
      ? `${date.getUTCDate()} ${months[date.getUTCMonth()]}`
      : date.toISOString().slice(11, 16);
    return { value: date.getTime(), label };
  });
}

function roundMonths(from: number, to: number, most: number): Tick[] {
  const step = monthSteps.find((each) => (to - from) / (each * monthMs) <= most) ?? 1200;
  const monthOf = (time: number): number =>
    12 * new Date(time).getUTCFullYear() + new Date(time).getUTCMonth();
  const ticks: Tick[] = [];
  for (let month = Math.ceil(monthOf(from) / step) * step; month <= monthOf(to); month += step) {
    const [year, index] = [Math.floor(month / 12), month % 12];
    const value = Date.UTC(year, index);
    if (value >= from) ticks.push({ value, label: `${months[index]} ${year}` });
  }
  return ticks;
}
