/** The errors that the Bot API answers with, in its own words. */

/** What an error may carry besides its description. */
export interface ApiErrorParameters {
  /** How long to wait before the next call. */
  readonly retry_after?: number;
  /** The supergroup that the addressed group became. */
  readonly migrate_to_chat_id?: number;
}

/** Goes out as `{ ok: false, error_code, description, parameters? }`, with the code as HTTP status. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly errorCode: number;
  readonly parameters: ApiErrorParameters | undefined;

  constructor(errorCode: number, description: string, parameters?: ApiErrorParameters) {
    super(description);
    this.errorCode = errorCode;
    this.parameters = parameters;
  }
}

export const badRequest = (detail: string, parameters?: ApiErrorParameters): ApiError =>
  new ApiError(400, `Bad Request: ${detail}`, parameters);

export const forbidden = (detail: string): ApiError => new ApiError(403, `Forbidden: ${detail}`);

export const conflict = (detail: string): ApiError => new ApiError(409, `Conflict: ${detail}`);

export const tooManyRequests = (retryAfterSeconds: number): ApiError =>
  new ApiError(429, `Too Many Requests: retry after ${retryAfterSeconds}`, {
    retry_after: retryAfterSeconds,
  });
