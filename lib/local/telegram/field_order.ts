/** The order in which the Bot API writes the fields of its objects; some clients rely on it. */

const messageHead = [
  "message_id",
  "from",
  "author_signature",
  "sender_chat",
  "chat",
  "date",
  "edit_date",
  "message_thread_id",
  "forward_origin",
  "forward_from",
  "forward_from_chat",
  "forward_from_message_id",
  "forward_date",
  "reply_to_message",
  "media_group_id",
];

/** What follows the content of a message. */
const messageTail = [
  "caption",
  "caption_entities",
  "reply_markup",
  "is_topic_message",
  "direct_messages_topic",
];
const edges: ReadonlySet<string> = new Set([...messageHead, ...messageTail]);

/** The fields of a message, in the order of the Bot API; those without a value are left out. */
export function messageInOrder<T extends object>(message: T): T {
  const fields = message as Record<string, unknown>;
  const content = Object.keys(fields).filter((name) => !edges.has(name));
  const present = [...messageHead, ...content, ...messageTail].filter((name) => fields[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, fields[name]])) as T;
}

/** An update, with its id before everything else. */
export function updateInOrder<T extends { readonly update_id: number }>({ update_id, ...rest }: T): T {
  return { update_id, ...rest } as T;
}
