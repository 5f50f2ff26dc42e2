/**
 * What an import of the toolkit need not wait for: more than half of its code, loaded with the first use. One module,
 * as each more would cost a start half a millisecond.
 */
export { createCommands } from "../chats/middleware.ts";
export { views } from "./display.ts";
export { Gate } from "../telegram/rate_limit/rate_limiter.ts";
export { openBroadcasting } from "./wiring.ts";
export { openReception } from "./wiring.ts";
export { Registration } from "../chats/registration.ts";
export { Roster } from "../chats/registry.ts";
export { fromLambda, fromNode, fromWeb, toLambda, toNode, toWeb } from "../telegram/webhook_adapters.ts";
