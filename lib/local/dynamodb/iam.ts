/** Everything that the toolkit asks of DynamoDB for the table of chats: the actions that its IAM policy has to allow. */
export const iamActions: readonly string[] = [
  "CreateTable",
  "DescribeTable",
  "PutItem",
  "GetItem",
  "UpdateItem",
  "Scan",
  "Query",
];

/** Everything that the toolkit asks of DynamoDB for the ledger of broadcasts, and of the ledger's index (`Query`). */
export const ledgerActions: readonly string[] = [
  "CreateTable",
  "DescribeTable",
  "GetItem",
  "UpdateItem",
  "Query",
];

/** An IAM policy document, in the shape in which AWS takes it as JSON. */
export interface IamPolicy {
  /** The policy language's version. */
  readonly Version: "2012-10-17";
  /** Which actions on which tables. */
  readonly Statement: readonly {
    readonly Effect: "Allow";
    readonly Action: readonly string[];
    readonly Resource: readonly string[];
  }[];
}

/**
 * The policy that a user or role needs for `table`, in any region and account: print it with `JSON.stringify`.
 * @param ledgerTable Where broadcasts are given a `broadcastId`: their table, `"telegram-broadcasts"` by default of the
 * bot. It adds a second statement.
 */
export function iamPolicy(table: string = "telegram-chats", ledgerTable?: string): IamPolicy {
  const chats = statement(iamActions, [table]);
  const ledger = ledgerTable === undefined
    ? []
    : [statement(ledgerActions, [ledgerTable, `${ledgerTable}/index/*`])];
  return { Version: "2012-10-17", Statement: [chats, ...ledger] };
}

function statement(actions: readonly string[], tables: readonly string[]): IamPolicy["Statement"][number] {
  return {
    Effect: "Allow",
    Action: actions.map((action) => `dynamodb:${action}`),
    Resource: tables.map((table) => `arn:aws:dynamodb:*:*:table/${table}`),
  };
}
