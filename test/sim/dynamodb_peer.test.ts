/**
 * The same random requests get the same answers from the simulated DynamoDB and from dynalite, with the same errors and
 * messages. Where dynalite is wrong the model follows AWS's documentation, and the requests here leave out:
 * - the item that a refused condition carries (dynalite never sends it);
 * - syntax errors, whose wording differs;
 * - `<` and the like with a value that has no order (dynalite lets it pass), and `=` of two attributes, which holds there if
 *   both are missing; maps and lists, which are never equal there;
 * - `attribute_type`, `IN` and `size` of `false` and of an empty text, which dynalite takes for missing;
 * - `contains` with other members of a list than texts;
 * - which of two mistakes of one update is named: each answers with its own order;
 * - two members of a list removed at once (dynalite takes the second by its place after the first is gone);
 * - the order of characters beyond U+FFFF and those below (dynalite compares UTF-16 units, AWS bytes of UTF-8);
 * - empty keys of an index (dynalite takes them);
 * - sizes of items and pages, which dynalite counts in UTF-16 units, and sums of more than 38 digits, which it takes.
 * Partitions come in another order, and so do items of an index with the same key: their pages are compared as one set.
 */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { startDynamoDB } from "../../lib/local/dynamodb/server.ts";
import { suite } from "../harness.ts";
import { type Answer, type Item, SimulatedDynamoDB, type Value } from "./dynamodb/dynamodb.ts";

type Input = Readonly<Record<string, unknown>>;
type Ask = (action: string, input: Input) => Promise<Answer> | Answer;
type Request = readonly [action: string, input: Input];

const TableName = "peer";
const schema = {
  TableName,
  AttributeDefinitions: [
    { AttributeName: "pk", AttributeType: "S" },
    { AttributeName: "sk", AttributeType: "N" },
    { AttributeName: "gk", AttributeType: "S" },
  ],
  KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
  GlobalSecondaryIndexes: [{
    IndexName: "by_gk",
    KeySchema: [{ AttributeName: "gk", KeyType: "HASH" }, { AttributeName: "sk", KeyType: "RANGE" }],
    Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["a"] },
  }],
  BillingMode: "PAY_PER_REQUEST",
};

/** Requests dynalite over the wire, without the SDK. */
function askOver(endpoint: string): Ask {
  return async (action, input) => {
    const response = await fetch(endpoint, {
      method: "POST",
      body: JSON.stringify(input),
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `DynamoDB_20120810.${action}`,
        "x-amz-date": "20261126T000000Z",
        authorization: "AWS4-HMAC-SHA256 Credential=a/20261126/us-east-1/dynamodb/aws4_request, " +
          "SignedHeaders=host, Signature=b",
      },
    });
    return { status: response.status as 200 | 400, body: await response.json() };
  };
}

// Random requests.

const texts = fc.constantFrom("a", "b", "ab", "é", "😀", "");
const numbers = fc.constantFrom("0", "1", "-1", "2", "10", "1.50", "1e3", "-0.25", "12345678901234567890.5");
const ordered: fc.Arbitrary<Value> = fc.oneof(
  texts.map((S) => ({ S })),
  numbers.map((N) => ({ N })),
  fc.constantFrom("AQID", "AQ==").map((B) => ({ B })),
);
const scalar: fc.Arbitrary<Value> = fc.oneof(
  { weight: 3, arbitrary: ordered },
  fc.boolean().map((BOOL) => ({ BOOL })),
  fc.constant<Value>({ NULL: true }),
  fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1 }).map((SS) => ({ SS })),
  fc.uniqueArray(fc.constantFrom("1", "2", "3"), { minLength: 1 }).map((NS) => ({ NS })),
);
const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }).map((L) => ({ L })) },
  {
    weight: 1,
    arbitrary: fc.dictionary(fc.constantFrom("x", "y"), scalar, { noNullPrototype: true }).map((M) => ({
      M,
    })),
  },
);
const key = fc.record({
  pk: fc.constantFrom("p", "q", "r").map((S) => ({ S })),
  sk: fc.constantFrom("1", "2", "10", "-3.5").map((N) => ({ N })),
});
const wrongKey = fc.constantFrom<Item>({ pk: { S: "p" } }, { pk: { N: "1" }, sk: { N: "1" } }, {
  pk: { S: "" },
  sk: { N: "1" },
});
const anyKey: fc.Arbitrary<Item> = fc.oneof({ weight: 30, arbitrary: key }, {
  weight: 1,
  arbitrary: wrongKey,
});
const attributes = fc.dictionary(fc.constantFrom("a", "b", "m", "l"), value, { noNullPrototype: true });
const indexed = fc.option(fc.oneof({ weight: 9, arbitrary: texts.filter((text) => text !== "") }), {
  nil: undefined,
});

/** Collects the names and values of an expression by aliases, as programs do. */
class Aliases {
  readonly names: Record<string, string> = {};
  readonly values: Record<string, Value> = {};

  name(path: string): string {
    return path.split(".").map((part) => {
      const [, name = "", index = ""] = /^(\w+)(.*)$/.exec(part) ?? [];
      const alias = `#n_${name}`;
      this.names[alias] = name;
      return alias + index;
    }).join(".");
  }

  value(value: Value): string {
    const alias = `:v${Object.keys(this.values).length}`;
    this.values[alias] = value;
    return alias;
  }

  get fields(): Input {
    return {
      ...Object.keys(this.names).length > 0 && { ExpressionAttributeNames: this.names },
      ...Object.keys(this.values).length > 0 && { ExpressionAttributeValues: this.values },
    };
  }
}

type Part = (aliases: Aliases) => string;

const path = fc.constantFrom("a", "b", "m", "l", "m.x", "m.y", "l[0]", "l[1]", "none", "gk");
const types = fc.constantFrom("N", "B", "NULL", "SS", "NS", "L", "M");
const simpleCondition: fc.Arbitrary<Part> = fc.oneof(
  fc.tuple(path, fc.constantFrom("=", "<>"), scalar)
    .map(([left, operator, right]): Part => (as) => `${as.name(left)} ${operator} ${as.value(right)}`),
  fc.tuple(path, fc.constantFrom("<", "<=", ">", ">="), ordered)
    .map(([left, operator, right]): Part => (as) => `${as.name(left)} ${operator} ${as.value(right)}`),
  fc.tuple(fc.constantFrom("attribute_exists", "attribute_not_exists"), path)
    .map(([name, of]): Part => (as) => `${name}(${as.name(of)})`),
  fc.tuple(path, types).map(([of, type]): Part => (as) =>
    `attribute_type(${as.name(of)}, ${as.value({ S: type })})`
  ),
  fc.tuple(fc.constantFrom("begins_with", "contains"), path, fc.constantFrom("a", "b", "é"))
    .map(([name, of, S]): Part => (as) => `${name}(${as.name(of)}, ${as.value({ S })})`),
  fc.tuple(path, numbers, numbers)
    .map(([of, low, high]): Part => (as) =>
      `${as.name(of)} BETWEEN ${as.value({ N: low })} AND ${as.value({ N: high })}`
    ),
  fc.tuple(path, fc.array(ordered.filter(({ S }) => S !== ""), { minLength: 1, maxLength: 3 }))
    .map(([of, members]): Part => (as) =>
      `${as.name(of)} IN (${members.map((each) => as.value(each)).join(", ")})`
    ),
  fc.tuple(fc.constantFrom("l", "m"), fc.constantFrom("1", "1.50", "3"))
    .map(([of, size]): Part => (as) => `size(${as.name(of)}) >= ${as.value({ N: size })}`),
);
const { condition } = fc.letrec<{ condition: Part }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    simpleCondition,
    fc.tuple(tie("condition"), fc.constantFrom("AND", "OR"), tie("condition"))
      .map(([left, operator, right]): Part => (as) => `(${left(as)}) ${operator} (${right(as)})`),
    tie("condition").map((inner): Part => (as) => `NOT (${inner(as)})`),
  ),
}));

const target = path.filter((each) => each !== "gk");
const setPart: fc.Arbitrary<Part> = fc.oneof(
  scalar.filter(({ S }) => S !== "").map((given): Part => (as) => `${as.name("gk")} = ${as.value(given)}`),
  fc.tuple(target, value).map(([to, given]): Part => (as) => `${as.name(to)} = ${as.value(given)}`),
  fc.tuple(target, path, numbers)
    .map(([to, from, N]): Part => (as) => `${as.name(to)} = ${as.name(from)} + ${as.value({ N })}`),
  fc.tuple(target, path, scalar)
    .map(([to, from, given]): Part => (as) =>
      `${as.name(to)} = if_not_exists(${as.name(from)}, ${as.value(given)})`
    ),
  fc.tuple(target, path, scalar)
    .map(([to, from, given]): Part => (as) =>
      `${as.name(to)} = list_append(${as.name(from)}, ${as.value({ L: [given] })})`
    ),
  fc.tuple(target, path).map(([to, from]): Part => (as) => `${as.name(to)} = ${as.name(from)}`),
);
const withValue = fc.tuple(path, scalar).map(([to, given]): Part => (as) =>
  `${as.name(to)} ${as.value(given)}`
);
const sections = fc.tuple(
  fc.array(setPart, { maxLength: 3 }),
  fc.array(path.map((of): Part => (as) => as.name(of)), { maxLength: 1 }),
  fc.array(withValue, { maxLength: 2 }),
  fc.array(withValue, { maxLength: 1 }),
).filter((parts) => parts.some((part) => part.length > 0));

/** Fields of a request that has a condition in one case of two. */
const withCondition = fc.tuple(fc.option(condition, { nil: undefined }), fc.constantFrom("NONE", "ALL_OLD"));

const put = fc.tuple(anyKey, attributes, indexed, withCondition).map(
  ([of, rest, gk, [when, returns]]): Request => {
    const aliases = new Aliases();
    const Item = { ...rest, ...gk !== undefined && { gk: { S: gk } }, ...of };
    const expression = when && { ConditionExpression: when(aliases) };
    return ["PutItem", { TableName, Item, ReturnValues: returns, ...expression, ...aliases.fields }];
  },
);
const remove = fc.tuple(anyKey, withCondition).map(([Key, [when, returns]]): Request => {
  const aliases = new Aliases();
  const expression = when && { ConditionExpression: when(aliases) };
  return ["DeleteItem", { TableName, Key, ReturnValues: returns, ...expression, ...aliases.fields }];
});
const returnValues = fc.constantFrom("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW");
const update = fc.tuple(anyKey, sections, fc.option(condition, { nil: undefined }), returnValues)
  .map(([Key, parts, when, ReturnValues]): Request => {
    const aliases = new Aliases();
    const UpdateExpression = ["SET", "REMOVE", "ADD", "DELETE"].flatMap((verb, index) => {
      const actions = parts[index] ?? [];
      return actions.length === 0 ? [] : `${verb} ${actions.map((part) => part(aliases)).join(", ")}`;
    }).join(" ");
    const expression = when && { ConditionExpression: when(aliases) };
    return ["UpdateItem", {
      TableName,
      Key,
      UpdateExpression,
      ReturnValues,
      ...expression,
      ...aliases.fields,
    }];
  });
const projection = fc.option(fc.uniqueArray(path, { minLength: 1, maxLength: 3 }), { nil: undefined });
const get = fc.tuple(anyKey, projection).map(([Key, paths]): Request => {
  const aliases = new Aliases();
  const expression = paths && { ProjectionExpression: paths.map((each) => aliases.name(each)).join(", ") };
  return ["GetItem", { TableName, Key, ...expression, ...aliases.fields }];
});
const source = fc.constantFrom<Input>({}, { IndexName: "by_gk" });
const limit = fc.constantFrom<Input>({}, { Limit: 1 }, { Limit: 2 });
const scan = fc.tuple(source, limit, fc.option(condition, { nil: undefined }), fc.constantFrom(1, 3))
  .map(([from, most, filter, segments]): Request => {
    const aliases = new Aliases();
    const expression = filter && { FilterExpression: filter(aliases) };
    const parts = segments > 1 && { Segment: 0, TotalSegments: segments };
    return ["Scan", { TableName, ...from, ...most, ...parts, ...expression, ...aliases.fields }];
  });
const range: fc.Arbitrary<Part> = fc.oneof(
  fc.constant<Part>(() => ""),
  fc.tuple(fc.constantFrom("=", "<", "<=", ">", ">="), numbers)
    .map(([operator, N]): Part => (as) => ` AND ${as.name("sk")} ${operator} ${as.value({ N })}`),
  fc.tuple(numbers, numbers)
    .map(([low, high]): Part => (as) =>
      ` AND ${as.name("sk")} BETWEEN ${as.value({ N: low })} AND ${as.value({ N: high })}`
    ),
);
const query = fc.tuple(source, limit, range, fc.constantFrom("p", "q", "a", "b"), fc.boolean())
  .map(([from, most, ofRange, S, ScanIndexForward]): Request => {
    const aliases = new Aliases();
    const hash = aliases.name("IndexName" in from ? "gk" : "pk");
    const KeyConditionExpression = `${hash} = ${aliases.value({ S })}${ofRange(aliases)}`;
    const input = { TableName, ...from, ...most, KeyConditionExpression, ScanIndexForward };
    return ["Query", { ...input, ...aliases.fields }];
  });
const batch = fc.uniqueArray(key, { minLength: 1, maxLength: 4, selector: (each) => JSON.stringify(each) });
const batchWrite = fc.tuple(batch, attributes).map(([keys, rest]): Request => {
  const requests = keys.map((Key, index) =>
    index % 2 ? { DeleteRequest: { Key } } : { PutRequest: { Item: { ...rest, ...Key } } }
  );
  return ["BatchWriteItem", { RequestItems: { [TableName]: requests } }];
});
const batchGet = batch.map((Keys): Request => ["BatchGetItem", { RequestItems: { [TableName]: { Keys } } }]);

const request = fc.oneof(
  ...[{ weight: 6, arbitrary: put }, { weight: 10, arbitrary: update }, { weight: 2, arbitrary: remove }],
  ...[{ weight: 2, arbitrary: get }, { weight: 4, arbitrary: scan }, { weight: 3, arbitrary: query }],
  ...[{ weight: 1, arbitrary: batchWrite }, { weight: 1, arbitrary: batchGet }],
);

// Answers in a form in which they compare.

/** Sets have no order. */
function plain(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(plain);
  if (typeof given !== "object" || given === null) return given;
  return Object.fromEntries(
    Object.entries(given).sort(([one], [other]) => one < other ? -1 : 1)
      .map((
        [name, each],
      ) => [name, /^[SNB]S$/.test(name) && Array.isArray(each) ? [...each].sort() : plain(each)]),
  );
}

const sorted = (items: readonly unknown[]): string[] =>
  items.map((item) => JSON.stringify(plain(item))).sort();

interface Page {
  readonly Items: readonly Item[];
  readonly ScannedCount: number;
  readonly LastEvaluatedKey?: Item;
}

/** All pages of a scan, of all segments, or of a query. */
async function readAll(ask: Ask, action: string, input: Input): Promise<unknown> {
  const segments = (input["TotalSegments"] ?? 1) as number;
  const items: Item[] = [];
  let scanned = 0;
  for (let Segment = 0; Segment < segments; Segment++) {
    let from: Item | undefined;
    do {
      const part = segments > 1 ? { Segment } : {};
      const { status, body } = await ask(action, {
        ...input,
        ...part,
        ...from && { ExclusiveStartKey: from },
      });
      if (status !== 200) return errorOf(body);
      const page = body as Page;
      items.push(...page.Items);
      scanned += page.ScannedCount;
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
  }
  const isOrdered = action === "Query" && input["IndexName"] === undefined;
  return { items: isOrdered ? items.map(plain) : sorted(items), scanned };
}

/** Of an update with several mistakes one is named, and nobody says which. */
const mistakesOfUpdates = [
  "An operand in the update expression has an incorrect data type",
  "The document path provided in the update expression is invalid for update",
];

function errorOf(body: unknown): string {
  const { __type, message } = body as { readonly __type: string; readonly message: string };
  return `${__type}: ${mistakesOfUpdates.includes(message) ? mistakesOfUpdates.join(", or ") : message}`;
}

async function resultOf(ask: Ask, [action, input]: Request): Promise<unknown> {
  if (action === "Scan" || action === "Query") return await readAll(ask, action, input);
  const { status, body } = await ask(action, input);
  if (status !== 200) return errorOf(body);
  if (action !== "BatchGetItem") return plain(body);
  const { Responses } = body as { readonly Responses: Readonly<Record<string, readonly Item[]>> };
  return sorted(Responses[TableName] ?? []);
}

async function createTable(ask: Ask): Promise<void> {
  await ask("DeleteTable", { TableName });
  const status = async (): Promise<string | undefined> =>
    ((await ask("DescribeTable", { TableName })).body as { Table?: { TableStatus: string } }).Table
      ?.TableStatus;
  while (await status() !== undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  await ask("CreateTable", schema);
  while (await status() !== "ACTIVE") await new Promise((resolve) => setTimeout(resolve, 1));
}

const test = suite("SimulatedDynamoDB beside dynalite", {}, 120_000);

test("random requests get the same answers", async () => {
  await using peer = await startDynamoDB();
  const askPeer = askOver(peer.endpoint);
  const requests = fc.array(request, { minLength: 20, maxLength: 40, size: "max" });
  const property = fc.asyncProperty(requests, async (sequence) => {
    const model = new SimulatedDynamoDB();
    const ask: Ask = (action, input) => model.answer(action, structuredClone(input));
    await createTable(askPeer);
    await createTable(ask);
    for (const each of sequence) {
      const [result, wanted] = [await resultOf(ask, each), await resultOf(askPeer, each)];
      if (isDeepStrictEqual(result, wanted)) continue;
      throw new Error(JSON.stringify({ request: each, result, wanted }));
    }
  });
  await fc.assert(property, { numRuns: 25, endOnFailure: true, includeErrorInReport: true });
});

test.run();
