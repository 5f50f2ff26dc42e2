/**
 * What the bundle's types need of other packages' and of Node's, so that they can be checked where none of these is
 * installed. The real ones fit wherever these are asked for: test/tools/bundle.ts sees to that.
 */

/** Of `@aws-sdk/client-dynamodb`: any client of its. */
export interface DynamoDBClient {
  readonly config: object;
  send(command: never, options?: never): Promise<unknown>;
  destroy(): void;
}

/** Of `node:http`: a request, whose body is its chunks. */
export interface IncomingMessage extends AsyncIterable<unknown> {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Of `node:http`. */
export interface ServerResponse {
  readonly headersSent: boolean;
  writeHead(statusCode: number, headers: Record<string, string>): unknown;
  end(text: string): unknown;
}

/** Of `fs`. */
export interface ReadStream extends AsyncIterable<Uint8Array> {
  readonly path: unknown;
}

/** Of `node-fetch`, in whose place the bundle has the runtime's own. */
declare const fetch: typeof globalThis.fetch;
export default fetch;
