/** SSM's Parameter Store, as far as GetParameters goes, under a policy. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export interface ParameterStore {
  readonly endpoint: string;
  /** The names that each request has asked for, and how it was answered. */
  readonly log: readonly { readonly names: readonly string[]; readonly status: number }[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** @param allowed The ARNs of the parameters that may be read. */
export async function startParameterStore(
  parameters: Readonly<Record<string, string>>,
  allowed: readonly string[],
): Promise<ParameterStore> {
  const log: { names: readonly string[]; status: number }[] = [];
  const answerTo = (action: unknown, body: string): [status: number, answer: object] => {
    const { Names = [], WithDecryption } = JSON.parse(body) as { Names?: string[]; WithDecryption?: boolean };
    const isAllowed = (name: string): boolean => allowed.some((arn) => arn.endsWith(`:parameter${name}`));
    const isDenied = action !== "AmazonSSM.GetParameters" || !Names.every(isAllowed);
    log.push({ names: Names, status: isDenied ? 400 : 200 });
    if (isDenied) return [400, { __type: "AccessDeniedException", Message: `not authorized: ${action}` }];
    const found = Names.filter((name) => name in parameters);
    const valueOf = (name: string): string | undefined => WithDecryption ? parameters[name] : "encrypted";
    return [200, {
      Parameters: found.map((Name) => ({ Name, Type: "SecureString", Value: valueOf(Name) })),
      InvalidParameters: Names.filter((name) => !found.includes(name)),
    }];
  };
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const [status, answer] = answerTo(request.headers["x-amz-target"], body);
      response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(
        JSON.stringify(answer),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
