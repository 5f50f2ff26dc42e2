/** A TCP relay that forgets connections, as a NAT, a VPN or a sleeping laptop does. */
import net from "node:net";

export class Nat implements AsyncDisposable {
  readonly #to: URL;
  #server: net.Server;
  #port = 0;
  readonly #sockets = new Set<net.Socket>();
  #generation = 0;
  #isResetting = false;
  readonly #delayMs: number;
  /** Connections that were made through it. */
  connections = 0;

  private constructor(to: URL, delayMs: number) {
    this.#to = to;
    this.#delayMs = delayMs;
    this.#server = net.createServer((socket) => this.#join(socket, to));
  }

  /** Before the server at this address; bytes take `delayMs` each way. */
  static async before(address: string, delayMs: number = 0): Promise<Nat> {
    const nat = new Nat(new URL(address), delayMs);
    await nat.#listen(0);
    return nat;
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#server.once("error", reject).listen(port, "127.0.0.1", resolve)
    );
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** From now on the connections of before are dead: their bytes vanish, or are answered by a reset. */
  forget(how: "vanish" | "reset"): void {
    this.#generation++;
    this.#isResetting = how === "reset";
  }

  /** The connections are reset, and nobody can make one, until it is `up()` again. */
  async down(): Promise<void> {
    this.#port = Number(new URL(this.url).port);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await closed;
  }

  async up(): Promise<void> {
    this.#server = net.createServer((socket) => this.#join(socket, this.#to));
    await this.#listen(this.#port);
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
