/**
 * What an import of the toolkit need not wait for: more than half of its code, loaded with the first use. One module,
 * as each more would cost a start half a millisecond.
 */
export { createCommands } from "./commands.ts";
export { views } from "./display.ts";
export { Gate } from "./gate.ts";
export { openBroadcasting } from "./own_broadcasting.ts";
export { openReception } from "./reception.ts";
export { Registration } from "./registration.ts";
export { Roster } from "./roster.ts";
export { fromLambda, fromNode, fromWeb, toLambda, toNode, toWeb } from "./webhook_request.ts";
