/** The environment variables with which a bot uses the local Bot API server and the local DynamoDB. */
import type { BotApiServer, LocalDynamoDB } from "telegram-signals/local";

/** `endpoint` is DynamoDB's, or that of a fault gate before it. */
export function environmentVariables(
  { token, apiRoot }: BotApiServer,
  { endpoint: own, region, credentials }: LocalDynamoDB,
  endpoint: string = own,
): Record<string, string> {
  return {
    TELEGRAM_BOT_TOKEN: token,
    TELEGRAM_API_ROOT: apiRoot,
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
  };
}
