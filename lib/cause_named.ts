/** Lets grammY's network errors say what happened: by themselves they only say that a request has failed. */
import type { Transformer } from "grammy/web";
import { rootCauseOf } from "./reason.ts";

/** To be installed after those that scrub errors: it repeats what these have left. */
export const causeNamed: Transformer = async (prev, method, payload, signal) => {
  try {
    return await prev(method, payload, signal);
  } catch (error) {
    if (error instanceof Error && error.name === "HttpError") {
      const cause = rootCauseOf(error);
      if (!error.message.includes(cause)) error.message = `Network request for '${method}' failed: ${cause}`;
    }
    throw error;
  }
};
