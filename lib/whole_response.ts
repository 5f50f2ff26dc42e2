/** A response that has been read whole, with as much of `Response` as grammY and the AWS SDK's handler use. */
export interface WholeResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly content: ArrayBuffer;
}

export function responseOf({ status, statusText, headers, content }: WholeResponse): Response {
  const text = (): string => new TextDecoder().decode(content);
  const response = {
    ...{ ok: status >= 200 && status < 300, status, statusText, headers },
    // deno-lint-ignore require-await -- async, so that what is no JSON rejects as it does with every fetch
    json: async () => JSON.parse(text()) as unknown,
    text: () => Promise.resolve(text()),
    arrayBuffer: () => Promise.resolve(content),
  } satisfies Partial<Response>;
  return response as unknown as Response;
}
