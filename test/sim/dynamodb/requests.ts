/** The requests for single items, and for a few of them at once. */
import type { ExpressionInput } from "./expressions.ts";
import type { Item } from "./values.ts";

/** What every write of an item may ask for. */
interface WriteInput extends ExpressionInput {
  readonly TableName: string;
  readonly ReturnValues?: "NONE" | "ALL_OLD" | "UPDATED_OLD" | "ALL_NEW" | "UPDATED_NEW" | undefined;
  readonly ReturnValuesOnConditionCheckFailure?: "NONE" | "ALL_OLD" | undefined;
}

export interface GetInput extends ExpressionInput {
  readonly TableName: string;
  readonly Key: Item;
}

export interface PutInput extends WriteInput {
  readonly Item: Item;
}

/** A DeleteItem or an UpdateItem. */
export interface KeyedInput extends WriteInput {
  readonly Key: Item;
}

export interface BatchGetInput {
  readonly RequestItems: Readonly<Record<string, ExpressionInput & { readonly Keys: readonly Item[] }>>;
}

export interface BatchWriteInput {
  readonly RequestItems: Readonly<Record<string, readonly BatchWrite[]>>;
}

export interface BatchWrite {
  readonly PutRequest?: { readonly Item: Item };
  readonly DeleteRequest?: { readonly Key: Item };
}

export type { WriteInput };

/** Parameters that DynamoDB takes and the model does not know: a test that uses one would not test what it says. */
const unknownParameters = [
  ...[
    "AttributesToGet",
    "AttributeUpdates",
    "ConditionalOperator",
    "Expected",
    "KeyConditions",
    "QueryFilter",
  ],
  ...["LocalSecondaryIndexes", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "ScanFilter"],
];

/** @throws {Error} If the request has a parameter that the model does not know. */
export function assertKnown(action: string, input: object): void {
  for (const name of unknownParameters) {
    if ((input as Record<string, unknown>)[name] !== undefined) {
      throw new Error(`The simulated DynamoDB does not know the parameter ${name} of ${action}`);
    }
  }
}
