/** Loopback stand-ins for the services that the toolkit talks to: for its sandbox, its tests and yours. */
export { type BotApiServer, startBotApiServer } from "./telegram/server.ts";
export type {
  BotApiServerOptions,
  LocalChannelOptions,
  LocalForumOptions,
  LocalGroupOptions,
  LocalUserOptions,
} from "./telegram/server_options.ts";
export type { BotApiCall } from "./telegram/dispatch.ts";
export type { ButtonPress, CallbackAnswer } from "./telegram/keyboards.ts";
export type { LocalChat, MessageFields } from "./telegram/actors.ts";
export type { LocalDirectMessages } from "./telegram/groups.ts";
export type { ApiErrorParameters } from "./telegram/errors.ts";
export type {
  BotApiFault,
  BotApiFaultAnswer,
  BotApiFaultOptions,
  BotApiRawAnswer,
  BotApiRedirect,
  BotApiRefusal,
} from "./telegram/faults.ts";
export type { BotApiFlood, BotApiFloodOptions } from "./telegram/rate_limit.ts";
export type { Payload } from "./telegram/request.ts";
export type { LocalForum } from "./telegram/groups.ts";
export type { LocalTopic } from "./telegram/people.ts";
export type { LocalChannel, LocalGroup, RemoveOptions, SharedChat } from "./telegram/groups.ts";
export type { LocalUser } from "./telegram/people.ts";
export type { SecondPoller } from "./telegram/second_poller.ts";
export type { WebhookDelivery } from "./telegram/webhook.ts";
export { type LocalDynamoDB, type LocalDynamoDBOptions, startDynamoDB } from "./dynamodb/server.ts";
export {
  type BeforeForward,
  type FaultGate,
  type GateEntry,
  startFaultGate,
} from "./dynamodb/fault_proxy.ts";
export type { Allowed, FaultGateOptions } from "./dynamodb/fault_proxy.ts";
export type { Call, Fault, FaultOptions, ServiceError, ThrottlingType } from "./dynamodb/faults.ts";
export { iamActions, type IamPolicy, iamPolicy, ledgerActions } from "./dynamodb/iam.ts";
