/** Something between a bot and its servers that forgets connections, or passes nothing on: a NAT, a VPN, a laptop's sleep. */
import net from "node:net";

export class Nat implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #generation = 0;
  #isResetting = false;
  readonly #delayMs: number;
  /** Connections that were made through it. */
  connections = 0;

  private constructor(to: URL, delayMs: number) {
    this.#delayMs = delayMs;
    this.#server = net.createServer((socket) => this.#join(socket, to));
  }

  /** Before the server at this address; bytes take `delayMs` each way. */
  static async before(address: string, delayMs: number = 0): Promise<Nat> {
    const nat = new Nat(new URL(address), delayMs);
    await new Promise<void>((resolve) => nat.#server.listen(0, "127.0.0.1", resolve));
    return nat;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** From now on the connections of before are dead: their bytes vanish, or are answered by a reset. */
  forget(how: "vanish" | "reset"): void {
    this.#generation++;
    this.#isResetting = how === "reset";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(bytes: Uint8Array, to: net.Socket): void {
    if (this.#delayMs === 0) to.write(bytes);
    else setTimeout(() => void (to.destroyed || to.write(bytes)), this.#delayMs);
  }

  #join(socket: net.Socket, to: URL): void {
    this.connections++;
    const generation = this.#generation;
    const onward = net.connect(Number(to.port), to.hostname);
    const isDead = (): boolean => generation < this.#generation;
    for (const each of [socket, onward]) {
      this.#sockets.add(each);
      each.on("error", () => {}).on("close", () => this.#sockets.delete(each));
    }
    socket.on("data", (bytes) => {
      if (!isDead()) this.#pass(bytes, onward);
      else if (this.#isResetting) socket.resetAndDestroy();
    });
    onward.on("data", (bytes) => void (isDead() || this.#pass(bytes, socket)));
    socket.on("close", () => onward.destroy());
    onward.on("close", () => void (isDead() || setTimeout(() => socket.end(), this.#delayMs)));
  }
}
