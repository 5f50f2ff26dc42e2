/** What DynamoDB would charge for, from what an emulator says it has consumed. Pure. */
import type { AttributeValue } from "@aws-sdk/client-dynamodb";

export type Item = Record<string, AttributeValue>;

/** Units of an on-demand table: a write is up to 1 KB, a read up to 4 KB, and half a read where it may be stale. */
export interface Capacity {
  readonly writes: number;
  readonly reads: number;
}

/** US dollars for each, in us-east-1. */
const dollarsAMillion: Capacity = { writes: 0.625, reads: 0.125 };

export const nothing: Capacity = { writes: 0, reads: 0 };

export function sum(...parts: readonly Capacity[]): Capacity {
  return parts.reduce(({ writes, reads }, part) => ({
    writes: writes + part.writes,
    reads: reads + part.reads,
  }), nothing);
}

export function times(factor: number, { writes, reads }: Capacity): Capacity {
  return { writes: factor * writes, reads: factor * reads };
}

export function dollars({ writes, reads }: Capacity): number {
  return (writes * dollarsAMillion.writes + reads * dollarsAMillion.reads) / 1e6;
}

/** The value at `x` of the line through two points: for what grows in step. */
export function onLine([x1, y1]: Point, [x2, y2]: Point, x: number): Capacity {
  const share = (x - x1) / (x2 - x1);
  return sum(times(1 - share, y1), times(share, y2));
}
type Point = readonly [x: number, y: Capacity];

const reading = new Set(["GetItem", "Query", "Scan"]);

/**
 * What a request consumes of its table. dynalite counts a consistent Scan or Query like one that may be stale, and
 * an empty answer as nothing: DynamoDB takes twice as much for the one, and a whole unit, or half of one, for the other.
 */
export function tableCapacity(action: string, isConsistent: boolean, counted: number): Capacity {
  if (!reading.has(action)) return { writes: counted, reads: 0 };
  const isDoubled = isConsistent && action !== "GetItem";
  return { writes: 0, reads: Math.max(isConsistent ? 1 : 0.5, isDoubled ? 2 * counted : counted) };
}

/** A global index that holds nothing but keys: the table's and its own. */
export interface KeysOnlyIndex {
  readonly keys: readonly string[];
}

/**
 * What a write of an item consumes of an index, which dynalite does not count: nothing where the item is in it neither
 * before nor after, or where its entry stays as it is; a unit for an entry that comes or goes; one each for a new key.
 */
export function indexWrites(
  { keys }: KeysOnlyIndex,
  before: Item | undefined,
  after: Item | undefined,
): number {
  const entry = (item: Item | undefined): string | undefined => {
    const values = keys.map((key) => item?.[key]);
    return values.includes(undefined) ? undefined : JSON.stringify(values);
  };
  const [was, is] = [entry(before), entry(after)];
  if (was === is) return 0;
  return was === undefined || is === undefined ? 1 : 2;
}
