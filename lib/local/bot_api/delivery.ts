/** The ways in which the bytes of an answer go out when they do not simply go out. */
import type { Buffer } from "node:buffer";
import type { ServerResponse } from "node:http";
import type { Clock } from "../../clock.ts";

/** Sends a body whose length the head of the answer has told already. */
export type Delivery = (response: ServerResponse, body: Buffer) => Promise<void>;

const pieces = 10;

/** Half of the body, and then the end of the connection. */
export const cutBody: Delivery = (response, body) =>
  new Promise((resolve) => {
    response.write(body.subarray(0, Math.ceil(body.length / 2)), () => {
      response.destroy();
      resolve();
    });
  });

/** A piece of the body after the other, over so many milliseconds. */
export function slowBody(ms: number, clock: Clock, signal: AbortSignal): Delivery {
  return async (response, body) => {
    response.flushHeaders();
    const length = Math.ceil(body.length / pieces);
    for (let start = 0; start < body.length; start += length) {
      await clock.sleep(ms / pieces, signal);
      response.write(body.subarray(start, start + length));
    }
    response.end();
  };
}
