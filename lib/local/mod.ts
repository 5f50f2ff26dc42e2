/** Loopback stand-ins for the services that the toolkit talks to: for its sandbox, its tests and yours. */
export { type BotApiServer, startBotApiServer } from "./bot_api/server.ts";
export type {
  BotApiServerOptions,
  LocalChannelOptions,
  LocalForumOptions,
  LocalGroupOptions,
  LocalUserOptions,
} from "./bot_api/server_options.ts";
export type { BotApiCall } from "./bot_api/answer.ts";
export type { ButtonPress, CallbackAnswer } from "./bot_api/callback_queries.ts";
export type { LocalChat, MessageFields } from "./bot_api/chats.ts";
export type { LocalDirectMessages } from "./bot_api/direct_messages.ts";
export type { ApiErrorParameters } from "./bot_api/errors.ts";
export type {
  BotApiFault,
  BotApiFaultAnswer,
  BotApiFaultOptions,
  BotApiRawAnswer,
  BotApiRedirect,
  BotApiRefusal,
} from "./bot_api/fault_options.ts";
export type { BotApiFlood, BotApiFloodOptions } from "./bot_api/flood_waits.ts";
export type { Payload } from "./bot_api/form.ts";
export type { LocalForum } from "./bot_api/forums.ts";
export type { LocalTopic } from "./bot_api/local_topic.ts";
export type { LocalChannel, LocalGroup, RemoveOptions, SharedChat } from "./bot_api/groups.ts";
export type { LocalUser } from "./bot_api/people.ts";
export type { SecondPoller } from "./bot_api/second_poller.ts";
export type { WebhookDelivery } from "./bot_api/webhook.ts";
export { type LocalDynamoDB, type LocalDynamoDBOptions, startDynamoDB } from "./dynamodb.ts";
export { type BeforeForward, type FaultGate, type GateEntry, startFaultGate } from "./fault_gate.ts";
export type { Allowed, FaultGateOptions } from "./fault_gate_options.ts";
export type { Call, Fault, FaultOptions, ServiceError, ThrottlingType } from "./faults.ts";
export { iamActions, type IamPolicy, iamPolicy, ledgerActions } from "./iam.ts";
