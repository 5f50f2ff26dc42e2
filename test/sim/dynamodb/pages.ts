/** Scans and queries, a page at a time. */
import { invalid } from "./errors.ts";
import { type ExpressionInput, type Expressions, expressionsOf } from "./expressions.ts";
import { fulfils } from "./key_conditions.ts";
import { compareRows, firstPlace, type Row } from "./rows.ts";
import type { Index, Key, Table } from "./table.ts";
import { project } from "./tokens.ts";
import { checkedItem, type Item, itemSize, scalarOf, type Value } from "./values.ts";

/** What the requests for pages share. */
export interface PageInput extends ExpressionInput {
  readonly TableName: string;
  readonly IndexName?: string | undefined;
  readonly ConsistentRead?: boolean | undefined;
  readonly ExclusiveStartKey?: Item | undefined;
  readonly Limit?: number | undefined;
  readonly Select?: string | undefined;
}

export interface ScanInput extends PageInput {
  readonly Segment?: number | undefined;
  readonly TotalSegments?: number | undefined;
}

export interface QueryInput extends PageInput {
  readonly ScanIndexForward?: boolean | undefined;
}

/** The answer to a scan or to a query. */
export interface Page {
  readonly Items?: readonly Item[];
  readonly Count: number;
  readonly ScannedCount: number;
  readonly LastEvaluatedKey?: Item;
}

/** What a request reads: the table, or one of its indexes. */
interface Source {
  readonly table: Table;
  readonly index: Index | undefined;
  readonly key: Key;
}

const pageBytes = 1024 * 1024;
const hashes = 2 ** 32;

/** @param pageItems How many items a page has at most. */
export function scanPage(table: Table, input: ScanInput, pageItems: number): Page {
  const source = sourceOf(table, input);
  const { Segment: segment, TotalSegments: segments } = input;
  assertSegment(segment, segments);
  const boundary = (index: number): number => Math.ceil(hashes * index / (segments ?? 1));
  const from = boundary(segment ?? 0);
  const to = boundary((segment ?? 0) + 1);
  const { rows } = source.index ?? table;
  const start = startOf(source, input);
  if (start !== undefined && (start.hash < from || start.hash >= to)) {
    throw invalid(
      "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct " +
        `Segment. TotalSegments: ${segments} Segment: ${segment}`,
    );
  }
  const found = segments === undefined ? rows.sorted() : rows.between(from, to);
  const place = start === undefined ? 0 : firstPlace(found, (row) => compareRows(row, start) > 0);
  return pageFrom(source, found, place, input, expressionsOf(input), pageItems);
}

function assertSegment(segment: number | undefined, segments: number | undefined): void {
  const missing = segment === undefined ? "Segment" : "TotalSegments";
  const present = segment === undefined ? "TotalSegments" : "Segment";
  if ((segment === undefined) !== (segments === undefined)) {
    throw invalid(
      `The ${missing} parameter is required but was not present in the request when ${
        segment === undefined ? `parameter ${present}` : `${present} parameter`
      } is present`,
    );
  }
  if (segment === undefined || segments === undefined || segment < segments) return;
  throw invalid(
    "The Segment parameter is zero-based and must be less than parameter TotalSegments: " +
      `Segment: ${segment} is not less than TotalSegments: ${segments}`,
  );
}

/** @param pageItems How many items a page has at most. */
export function queryPage(table: Table, input: QueryInput, pageItems: number): Page {
  if (input.KeyConditionExpression === undefined) {
    throw invalid(
      "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
    );
  }
  const source = sourceOf(table, input);
  const expressions = expressionsOf(input);
  const start = startOf(source, input);
  const isForward = input.ScanIndexForward !== false;
  const rows = queriedRows(source, expressions);
  const found = isForward ? rows : [...rows].reverse();
  const isPast = (row: Row): boolean =>
    start === undefined || (isForward ? compareRows(row, start) > 0 : compareRows(row, start) < 0);
  return pageFrom(source, found, firstPlace(found, isPast), input, expressions, pageItems);
}

function queriedRows(
  { table, index, key }: Source,
  { plan: { key: conditions = [] }, values }: Expressions,
): readonly Row[] {
  const [hash, sort] = key.attributes;
  const conditionOf = (name: string | undefined) => conditions.find(({ attribute }) => attribute === name);
  const [partition, range] = [conditionOf(hash?.name), conditionOf(sort?.name)];
  if (partition === undefined || (conditions.length > 1 && range === undefined)) {
    const missed = partition === undefined ? hash?.name : sort?.name;
    if (missed === undefined) throw invalid("Query key condition not supported");
    throw invalid(`Query condition missed key schema element: ${missed}`);
  }
  if (partition.operator !== "=") throw invalid("Query key condition not supported");
  const wanted = scalarOf(values[partition.aliases[0] ?? ""], hash?.type ?? "S");
  const isTyped = range?.aliases.every((alias) => scalarOf(values[alias], sort?.type ?? "S") !== undefined) ??
    true;
  if (wanted === undefined || !isTyped) {
    throw invalid(
      "One or more parameter values were invalid: Condition parameter type does not match schema type",
    );
  }
  const rows = (index ?? table).rows.ofPartition(wanted);
  return range === undefined ? rows : rows.filter((row) => fulfils(row.sort, range, values));
}

function sourceOf(table: Table, { IndexName, ConsistentRead, Limit, Select }: PageInput): Source {
  if (Limit !== undefined && Limit < 1) {
    throw invalid(
      `1 validation error detected: Value '${Limit}' at 'limit' failed to satisfy constraint: ` +
        "Member must have value greater than or equal to 1",
    );
  }
  if (IndexName === undefined) return { table, index: undefined, key: table.key };
  const index = table.indexes.find(({ schema }) => schema.IndexName === IndexName);
  if (index === undefined) throw invalid(`The table does not have the specified index: ${IndexName}`);
  if (ConsistentRead) throw invalid("Consistent reads are not supported on global secondary indexes");
  if (Select === "ALL_ATTRIBUTES" && index.schema.Projection.ProjectionType !== "ALL") {
    throw invalid(
      "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary " +
        `index ${IndexName} because its projection type is not ALL`,
    );
  }
  return { table, index, key: index.key };
}

/** The names of the attributes of which a position consists. */
function positionNames({ table, key }: Source): readonly string[] {
  return [...new Set([...table.key.names, ...key.names])];
}

/** The place of the start key, as that of a row. */
function startOf(source: Source, { ExclusiveStartKey: given }: PageInput): Row | undefined {
  if (given === undefined) return undefined;
  const { table, index, key } = source;
  const start = checkedItem(given);
  const text = table.key.textIn(start);
  const isWhole = key.textIn(start) !== undefined &&
    Object.keys(start).length === positionNames(source).length;
  if (text === undefined || !isWhole) {
    const detail = index === undefined ? ": The provided key element does not match the schema" : "";
    throw invalid(`The provided starting key is invalid${detail}`);
  }
  return key.rowOf(text, start);
}

function pageFrom(
  source: Source,
  rows: readonly Row[],
  place: number,
  input: PageInput,
  { plan: { filter, projection }, values }: Expressions,
  pageItems: number,
): Page {
  const end = Math.min(rows.length, place + Math.min(input.Limit ?? Infinity, pageItems));
  const items: Item[] = [];
  let [scanned, bytes] = [0, 0];
  for (let index = place; index < end && bytes < pageBytes; index++) {
    const { item } = rows[index] as Row;
    scanned++;
    bytes += itemSize(item);
    if (filter !== undefined && !filter(item, values)) continue;
    items.push(projection === undefined ? item : project(item, projection));
  }
  // A page that is full may be the last one: only the next tells.
  const isFull = scanned > 0 && (bytes >= pageBytes || scanned === input.Limit || scanned === pageItems);
  const last = rows[place + scanned - 1]?.item;
  const position = last && Object.fromEntries(
    positionNames(source).map((name) => [name, last[name] as Value]),
  );
  return {
    ...input.Select !== "COUNT" && { Items: items },
    ...{ Count: items.length, ScannedCount: scanned },
    ...isFull && position && { LastEvaluatedKey: position },
  };
}
