/**
 * The IAM policy that the toolkit needs in production. It is in the test kit for `startFaultGate({ allow })`, which lets
 * a test run under exactly this policy.
 */

/** The actions that the toolkit needs on the table of chats. */
export const iamActions: readonly string[] = [
  ...["CreateTable", "DescribeTable", "PutItem", "GetItem", "UpdateItem", "Scan", "Query"],
];

/** The actions that the toolkit needs on the table of the broadcast ledger and on its index (`Query`). */
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
 * @param ledgerTable The table of the ledger, for bots that use a `broadcastId`; the bot's default is
 * `"telegram-broadcasts"`. It adds a second statement.
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
