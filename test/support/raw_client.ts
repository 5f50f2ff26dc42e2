/** One connection to a server, with nothing between a test and its bytes. */
import { connect, type Socket } from "node:net";
import type { BotApiServer } from "../../lib/local/mod.ts";

export interface RawClient {
  /** All that came so far. */
  readonly text: string;
  /** How the connection ended: the error's code, or `"end"`; undefined while it is open. */
  readonly ended: string | undefined;
  /** Sends a call as HTTP/1.1, on this connection. */
  call(method: string, payload?: object): void;
  close(): void;
}

export async function openConnection(server: BotApiServer): Promise<RawClient> {
  const port = Number(new URL(server.apiRoot).port);
  const socket = await new Promise<Socket>((resolve, reject) => {
    const opening = connect(port, "127.0.0.1", () => resolve(opening));
    opening.once("error", reject);
  });
  let text = "";
  let ended: string | undefined;
  socket.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
  socket.on("error", (error: NodeJS.ErrnoException) => ended ??= error.code ?? error.message);
  socket.on("end", () => ended ??= "end");
  return {
    get text(): string {
      return text;
    },
    get ended(): string | undefined {
      return ended;
    },
    call: (method, payload = {}): void => {
      const body = JSON.stringify(payload);
      const head = [
        `POST /bot${server.token}/${method} HTTP/1.1`,
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
      ];
      socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
    },
    close: () => void socket.destroy(),
  };
}
