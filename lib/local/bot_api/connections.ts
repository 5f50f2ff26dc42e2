/** The connections of a server's clients, in the order in which they were opened. */
import type { Socket } from "node:net";

export interface Connection {
  /** 1 for the first. */
  readonly number: number;
  /** Whether its bytes vanish from now on, in both directions. */
  isDead: boolean;
}

export class Connections {
  readonly #bySocket = new WeakMap<Socket, Connection>();
  #latest = 0;

  /** The number of the latest one. */
  get latest(): number {
    return this.#latest;
  }

  of(socket: Socket): Connection {
    const known = this.#bySocket.get(socket);
    if (known !== undefined) return known;
    const connection = { number: ++this.#latest, isDead: false };
    this.#bySocket.set(socket, connection);
    return connection;
  }
}

/** Ends a connection as a router does that has forgotten it: the client is told by a reset, if the runtime can do that. */
export function resetConnection(socket: Socket): void {
  if (typeof socket.resetAndDestroy === "function") socket.resetAndDestroy();
  else socket.destroy();
}
