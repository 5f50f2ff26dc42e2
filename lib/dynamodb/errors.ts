/** Turns errors of the AWS SDK into a `StorageError` that says what happened, why, and what to check. */
import { StorageError, type StorageFailure } from "../chats/storage.ts";

/** The request that failed, as the message names it. */
export interface FailedRequest {
  /** The action as IAM names it, without its prefix: `UpdateItem`. */
  readonly action: string;
  readonly tableName: string;
  readonly regionName: string;
  /** What the action is allowed on, after `table/`, where that is not the table itself. */
  readonly resource?: string | undefined;
  /** What to check where there is no such table. Default: what helps with the chats' table. */
  readonly advice?: string | undefined;
}

/** The SDK's error as ours. Errors are recognised by name and code, as two copies of the SDK may be loaded. */
export function storageError(thrown: unknown, request: FailedRequest): StorageError {
  if (thrown instanceof StorageError) return thrown;
  const error = typeof thrown === "object" && thrown !== null ? thrown : new Error(String(thrown));
  dropCanonicalRequest(error);
  const reason = reasonOf(error, request);
  return new StorageError(reason, explanations[reason](request, detailOf(error)), { cause: error });
}

/** A refused signature comes back with the whole request in the message, session token included: that is removed. */
function dropCanonicalRequest(error: unknown): void {
  if (errorName(error) !== "InvalidSignatureException") return;
  for (const key of ["message", "stack"] as const) {
    const [sentence = ""] = String((error as Error)[key]).split(/\s*The Canonical String/);
    Reflect.defineProperty(error as Error, key, { value: sentence, writable: true, configurable: true });
  }
}

/** The error's name as DynamoDB and the SDK give it. */
export function errorName(error: unknown): string {
  return (error as Error | undefined)?.name ?? "";
}

/** The name of the SDK's error that a `StorageError` stands for. */
export function causeName(error: unknown): string {
  return errorName((error as Error).cause);
}

const byName: Record<string, StorageFailure> = {
  CredentialsProviderError: "credentials",
  TokenProviderError: "credentials",
  UnrecognizedClientException: "credentials",
  MissingAuthenticationTokenException: "credentials",
  ExpiredTokenException: "credentials",
  InvalidClientTokenId: "credentials",
  AccessDeniedException: "denied",
  RequestTimeTooSkewed: "clock",
  ResourceNotFoundException: "table",
  TimeoutError: "unreachable",
  DeadlineError: "unreachable",
  AbortError: "unreachable",
  ThrottlingException: "throttled",
  ProvisionedThroughputExceededException: "throttled",
  RequestLimitExceeded: "throttled",
  LimitExceededException: "throttled",
  ValidationException: "failed",
  SerializationException: "failed",
  ItemCollectionSizeLimitExceededException: "failed",
};

/** A name that looks like one of AWS's regions, whose host would be found if the network were there. */
const likelyRegion =
  /^(us|eu|ap|ca|sa|me|af|il|mx|cn|us-gov)-(north|south|east|west|central|northeast|southeast|northwest|southwest)-\d$/;

function reasonOf(error: unknown, { regionName }: FailedRequest): StorageFailure {
  const { code = "", message = "" } = error as { code?: string; message?: string };
  const name = errorName(error);
  if (name === "InvalidSignatureException") {
    if (message.includes("valid region")) return "region";
    return /expired|not yet current/i.test(message) ? "clock" : "credentials";
  }
  // Deno asks for the permission before the name is looked up.
  const isRefusedHost = name === "NotCapable" && message.includes(`.${regionName}.amazonaws.`);
  if (code === "ENOTFOUND" || isRefusedHost) return likelyRegion.test(regionName) ? "unreachable" : "region";
  if (byName[name]) return byName[name];
  // An HTTP status without a known error is a fault of the service, or of a proxy in between.
  return (error as ServiceAnswer).$metadata?.httpStatusCode === undefined ? "unreachable" : "unavailable";
}

interface ServiceAnswer {
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The service's own sentence, which may name the account's user but never a secret. */
function detailOf(error: unknown): string {
  const { message, code, $metadata } = error as ServiceAnswer;
  const status = errorName(error) === message && $metadata?.httpStatusCode;
  const text = message || code || errorName(error) || String(error);
  const detail = (status ? `${text}, HTTP status ${status}` : text).trim().replace(/\.$/, "");
  return detail.length > 300 ? `${detail.slice(0, 300)}…` : detail;
}

const chatsAdvice = "Check TELEGRAM_CHATS_TABLE and AWS_REGION, or call createTableIfNotExists().";

const explanations: Record<StorageFailure, (request: FailedRequest, detail: string) => string> = {
  credentials: ({ action }, detail) =>
    `DynamoDB refused ${action} for want of valid AWS credentials (${detail}). Check AWS_ACCESS_KEY_ID and ` +
    `AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary keys), or the profile or role in use.`,
  denied: ({ action, tableName, resource = tableName }, detail) =>
    `AWS denies dynamodb:${action} on the table "${tableName}" (${detail}). Allow dynamodb:${action} on ` +
    `arn:aws:dynamodb:*:*:table/${resource} in the IAM policy of the user or role.`,
  region: ({ regionName }, detail) =>
    `DynamoDB is not to be had in the region "${regionName}" (${detail}). Check AWS_REGION: it must ` +
    `be the name of a region such as us-east-1, and the one that the credentials are for.`,
  table: ({ action, tableName, regionName, advice = chatsAdvice }, detail) =>
    `${action} found no table "${tableName}" in the region "${regionName}" (${detail}). ${advice}`,
  clock: ({ action }, detail) =>
    `DynamoDB refused ${action} as this machine's clock is wrong (${detail}). Set the clock (NTP).`,
  unreachable: ({ action, regionName }, detail) =>
    `DynamoDB cannot be reached: no answer to ${action} in the region "${regionName}" (${detail}). Check the ` +
    `network, proxy and firewall, and AWS_ENDPOINT_URL_DYNAMODB if it is set.`,
  throttled: ({ action, tableName }, detail) =>
    `DynamoDB throttles ${action} on the table "${tableName}" (${detail}). Wait, or check the table's and the ` +
    `account's limits in the AWS console.`,
  unavailable: ({ action, regionName }, detail) =>
    `DynamoDB in the region "${regionName}" is in trouble: it answered ${action} with ${detail}. Wait, or check ` +
    `AWS's health dashboard, and the proxy if there is one.`,
  failed: ({ action, tableName }, detail) =>
    `DynamoDB failed ${action} on the table "${tableName}": ${detail}.`,
};
