/** A bot's side of a webhook, as plain as can be: it keeps what comes, and answers as a test wants. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Update } from "grammy/types";

export interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly update: Update;
  readonly response: ServerResponse;
}

/** A status, `"hang"` for no answer yet, `"reset"` for a broken connection. */
export type ReceiverAnswer = number | "hang" | "reset";

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** Everything that came, in its order. */
  readonly received: readonly Received[];
  /** How many are waiting for their answers. */
  readonly open: number;
  /** Answers all that wait. */
  release(status?: number): void;
  close(): Promise<void>;
}

/** `answerTo` gets an update and how many came before it. */
export async function startReceiver(
  answerTo: (update: Update, index: number) => ReceiverAnswer = () => 200,
  headers: Readonly<Record<string, string>> = {},
): Promise<Receiver> {
  const received: Received[] = [];
  const open = new Set<ServerResponse>();
  const server = createServer(async (request, response) => {
    request.on("error", () => {});
    response.on("close", () => open.delete(response));
    let text = "";
    for await (const chunk of request) text += chunk;
    const update = JSON.parse(text) as Update;
    const { method, url: path } = request;
    received.push({ method, path, headers: request.headers, update, response });
    const answer = answerTo(update, received.length - 1);
    if (answer === "hang") open.add(response);
    else if (answer === "reset") request.socket.destroy();
    else response.writeHead(answer, headers).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=b`,
    received,
    get open() {
      return open.size;
    },
    release(status = 200) {
      for (const response of open) response.writeHead(status).end();
      open.clear();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
