/** The methods that set, delete and describe the bot's webhook. */
import { isLoopback } from "../web_pages.ts";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import type { WebhookSettings } from "./webhook.ts";
import type { World } from "./world.ts";

const defaultMaxConnections = 40;
const mostConnections = 100;

export function setWebhook({ updates }: World, { payload }: Form): true {
  const settings = readSettings(payload);
  updates.allow(payload["allowed_updates"]);
  updates.setWebhook(settings, isTrue(payload["drop_pending_updates"]));
  return true;
}

export function deleteWebhook({ updates }: World, { payload }: Form): true {
  updates.setWebhook(undefined, isTrue(payload["drop_pending_updates"]));
  return true;
}

export function getWebhookInfo({ updates }: World): object {
  const { webhook, allowed } = updates;
  const error = webhook?.lastError;
  return {
    url: webhook?.settings.url ?? "",
    has_custom_certificate: false,
    pending_update_count: updates.size,
    ...error && { last_error_date: Math.floor(error.at / 1000), last_error_message: error.message },
    ...webhook && { max_connections: webhook.settings.maxConnections },
    ...allowed && { allowed_updates: allowed },
  };
}

/** Undefined for an empty address, which deletes the webhook. */
function readSettings(payload: Payload): WebhookSettings | undefined {
  const url = String(payload["url"] ?? "");
  if (url === "") return undefined;
  const secretToken = String(payload["secret_token"] ?? "");
  if (secretToken.length > 256) throw badRequest("secret token is too long");
  if (!/^[\w-]*$/.test(secretToken)) throw badRequest("secret token contains unallowed characters");
  return { url: checkedUrl(url), secretToken, maxConnections: readMaxConnections(payload) };
}

/** As with Telegram, https is meant where no protocol is named; on loopback plain http will do. */
function checkedUrl(text: string): string {
  const url = text.includes("://") ? text : `https://${text}`;
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw badRequest("invalid webhook URL specified");
  if (/^http:/i.test(url) && !isLoopback(url)) {
    throw badRequest("bad webhook: An HTTPS URL must be provided for webhook");
  }
  return url;
}

function readMaxConnections(payload: Payload): number {
  const wanted = Number(payload["max_connections"] ?? defaultMaxConnections);
  if (!Number.isInteger(wanted)) return defaultMaxConnections;
  return Math.min(mostConnections, Math.max(1, wanted));
}

function isTrue(value: unknown): boolean {
  return ["true", "yes", "1"].includes(String(value).toLowerCase());
}
