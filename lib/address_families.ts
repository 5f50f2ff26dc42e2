/** Which of a name's addresses can be reached: some networks give it an IPv6 address, or an IPv4 one, and no way there. */
import type { Socket } from "node:net";

export class AddressFamilies {
  readonly #reached = new Map<string, number>();

  /** The family that was reached when another was not, 4 or 6; `undefined` where all are to be tried. */
  of({ host }: URL): number | undefined {
    return this.#reached.get(host);
  }

  /** Remembers the family by which a connection is made, if another one's address did not answer before. */
  watch({ host }: URL, socket: Socket): void {
    if (!socket.connecting) return;
    let hasFailed = false;
    const fail = (): void => void (hasFailed = true);
    socket.once("connectionAttemptTimeout", fail).once("connectionAttemptFailed", fail);
    socket.once("connect", () => {
      if (hasFailed) this.#reached.set(host, socket.remoteFamily === "IPv6" ? 6 : 4);
    });
  }

  /** The next connection tries all of them again. */
  forget({ host }: URL): void {
    this.#reached.delete(host);
  }
}
