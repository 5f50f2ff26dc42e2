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

/** The policy that a user or role needs for `table`, in any region and account: print it with `JSON.stringify`. */
export function iamPolicy(table: string = "telegram-chats"): IamPolicy {
  return {
    Version: "2012-10-17",
    Statement: [{
      Effect: "Allow",
      Action: iamActions.map((action) => `dynamodb:${action}`),
      Resource: [`arn:aws:dynamodb:*:*:table/${table}`],
    }],
  };
}
