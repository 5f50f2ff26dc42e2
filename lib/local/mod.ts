/**
 * The test kit: a Telegram Bot API server and a DynamoDB on loopback, with faults on demand, for the sandbox, for our
 * tests and for yours. telegram/ holds the Bot API server, dynamodb/ the emulator and its fault gate.
 *
 * ```ts
 * import { SignalBot } from "telegram-signals";
 * import { startBotApiServer } from "telegram-signals/local";
 *
 * await using telegram = await startBotApiServer();
 * await using bot = new SignalBot({ botToken: telegram.token, apiRoot: telegram.apiRoot, useDynamoDB: false });
 * await bot.startBot();
 * const ada = telegram.user({ first_name: "Ada" });
 * ada.say("/start");
 * await ada.received("subscribed");
 * ```
 *
 * @module
 */
export { startBotApiServer } from "./telegram/server.ts";
export type { BotApiRawAnswer } from "./telegram/answers.ts";
export type { BotApiServerOptions } from "./telegram/bot_api.ts";
export type { BotApiServer } from "./telegram/control.ts";
export type { BotApiCall } from "./telegram/dispatch.ts";
export type { ApiErrorParameters } from "./telegram/errors.ts";
export type {
  BotApiFault,
  BotApiFaultAnswer,
  BotApiFaultOptions,
  BotApiRedirect,
  BotApiRefusal,
} from "./telegram/faults.ts";
export type { ButtonPress, CallbackAnswer } from "./telegram/keyboards.ts";
export type { LocalChat, MessageFields } from "./telegram/local_chat.ts";
export type {
  LocalChannel,
  LocalChannelOptions,
  LocalDirectMessages,
  LocalForum,
  LocalForumOptions,
  LocalGroup,
  LocalGroupOptions,
  RemoveOptions,
  SharedChat,
} from "./telegram/local_groups.ts";
export type { LocalTopic, LocalUser, LocalUserOptions } from "./telegram/local_user.ts";
export type { BotApiFlood, BotApiFloodOptions } from "./telegram/rate_limit.ts";
export type { Payload } from "./telegram/request_body.ts";
export type { SecondPoller } from "./telegram/updates.ts";
export type { WebhookDelivery } from "./telegram/webhook.ts";

export type {
  Allowed,
  BeforeForward,
  FaultGate,
  FaultGateOptions,
  GateEntry,
} from "./dynamodb/fault_gate.ts";
export { startFaultGate } from "./dynamodb/fault_proxy.ts";
export type { Call, Fault, FaultOptions, ServiceError, ThrottlingType } from "./dynamodb/faults.ts";
export { iamActions, type IamPolicy, iamPolicy, ledgerActions } from "./dynamodb/iam.ts";
export { type LocalDynamoDB, type LocalDynamoDBOptions, startDynamoDB } from "./dynamodb/server.ts";
