/** The errors with which DynamoDB answers. */

/** The body of an answer in JSON, and its HTTP status. */
export interface Answer {
  readonly status: 200 | 400;
  readonly body: unknown;
}

/** Thrown within the model for a request that DynamoDB refuses. */
export class DynamoDBError extends Error {
  /** The error's type as DynamoDB has it: `ValidationException`. */
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.type = type;
  }
}

/** An error of the type `ValidationException`. */
export function invalid(message: string): DynamoDBError {
  return new DynamoDBError("ValidationException", message);
}

/** An error of the type `ResourceNotFoundException`. */
export function notFound(detail: string = ""): DynamoDBError {
  return new DynamoDBError("ResourceNotFoundException", `Requested resource not found${detail}`);
}

/** The answer of an error of this type, with further fields of its body. */
export function refusal(type: string, message: string, fields: object = {}): Answer {
  const space = type === "ValidationException"
    ? "com.amazon.coral.validate"
    : "com.amazonaws.dynamodb.v20120810";
  return { status: 400, body: { __type: `${space}#${type}`, message, ...fields } };
}
