/** An HTTP proxy that fails as networks do: it cuts, slows or resets connections, or answers by itself. */
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { readBody } from "../../lib/local/loopback.ts";

/** What happens to a request. Of the first two, one ends before the server has it, the other after. */
export type Mishap =
  | "reset"
  | "lose"
  | "cut"
  | "slow"
  | "page 502"
  | "page 403"
  | "page 200"
  | "empty 200"
  | "redirect";

const page = "<!DOCTYPE html><html><body>Please sign in</body></html>";

export class Middlebox implements AsyncDisposable {
  readonly #server: Server;
  readonly #to: URL;
  #mishap: Mishap = "reset";
  #left = 0;
  #isMet: (request: IncomingMessage) => boolean = () => true;
  /** How many requests met a mishap. */
  met = 0;

  private constructor(to: URL) {
    this.#to = to;
    this.#server = createServer((request, response) => {
      request.on("error", () => {});
      this.#handle(request, response).catch(() => response.destroy());
    });
  }

  static async before(address: string): Promise<Middlebox> {
    const box = new Middlebox(new URL(address));
    await new Promise<void>((resolve) => box.#server.listen(0, "127.0.0.1", resolve));
    return box;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next `times` requests meet it, of those that `isMet` is true of. */
  befall(mishap: Mishap, times: number, isMet: (request: IncomingMessage) => boolean = () => true): void {
    [this.#mishap, this.#left, this.#isMet] = [mishap, times, isMet];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const isHit = this.#left > 0 && this.#isMet(request);
    if (isHit) {
      this.#left--;
      this.met++;
    }
    const mishap = isHit ? this.#mishap : undefined;
    if (mishap === "reset") return request.socket.resetAndDestroy() && undefined;
    const [kind, status] = mishap?.split(" ") ?? [];
    if (status !== undefined) {
      response.writeHead(Number(status), { "Content-Type": "text/html" }).end(kind === "page" ? page : "");
      return;
    }
    if (mishap === "redirect") {
      response.writeHead(302, { Location: "http://login.example.org/" }).end();
      return;
    }
    const { status: given, headers, content } = await this.#forwarded(request, body);
    if (mishap === "lose") return request.socket.resetAndDestroy() && undefined;
    response.writeHead(given, { ...headers, "content-length": content.length });
    if (mishap === undefined) return void response.end(content);
    // An answer without a body is cut in its head.
    response.flushHeaders();
    response.write(content.subarray(0, content.length >> 1));
    await pause(mishap === "slow" ? 300 : 20);
    if (mishap === "slow") response.end(content.subarray(content.length >> 1));
    else request.socket.destroy();
  }

  #forwarded(
    { method = "POST", url = "/", headers }: IncomingMessage,
    body: Uint8Array,
  ): Promise<{ status: number; headers: IncomingMessage["headers"]; content: Uint8Array }> {
    return new Promise((resolve, reject) => {
      const onward = httpRequest(new URL(url, this.#to), { method, headers }, (answer) => {
        const { statusCode: status = 502, headers: { "transfer-encoding": _, ...rest } } = answer;
        readBody(answer).then((content) => resolve({ status, headers: rest, content }), reject);
      });
      onward.on("error", reject);
      onward.end(body);
    });
  }
}
