/**
 * The descriptions with which Telegram refuses a message, by their meaning, with their place in the sources. Pure.
 *
 * An entry is a whole description without its "Bad Request: " or "Forbidden: "; `#` stands for a number, `*` for anything.
 * The places: Client.cpp is in tdlib/telegram-bot-api 10.0, all other files are in TDLib 1.8.66 (tdlib/td). Entries in
 * capitals come from Telegram's servers, and both programs pass them on:
 * https://core.telegram.org/method/messages.sendMessage, .../messages.sendMedia and .../messages.uploadMedia list them.
 */

/** Whether a description, without its prefix, is one of the entries. */
export function matcherOf(entries: readonly string[]): (words: string) => boolean {
  const patterns = entries.map((entry) =>
    entry.replace(/[.()[\]{}+?^$|\\/]/g, "\\$&").replaceAll("#", "\\d+").replaceAll("*", ".*")
  );
  const pattern = new RegExp(`^(?:${patterns.join("|")})$`, "is");
  return (words) => pattern.test(words);
}

/** By chats that do not take photos; they may take texts. */
export const refusedPhotos: readonly string[] = [
  // MessageContent.cpp, can_send_message_content()
  "not enough rights to send photos to the chat",
  // Telegram's servers, of messages.sendMedia
  "CHAT_SEND_PHOTOS_FORBIDDEN",
  "CHAT_SEND_MEDIA_FORBIDDEN",
];

/** By this chat, now; others may take the message. */
export const refusedByChat: readonly string[] = [
  ...refusedPhotos,
  // DialogManager.cpp, can_send_message_to_dialog(); MessagesManager.cpp, SendMessageQuery and SendMediaQuery
  "have no write access to the chat",
  "need administrator rights in the channel chat",
  // DialogManager.cpp, check_dialog_access_in_memory(); MessageQueryManager.cpp, UploadCoverQuery
  "can't access the chat",
  "have no access to the chat",
  // MessageContent.cpp, can_send_message_content(); older servers say less.
  "not enough rights*",
  "have no rights to send a message",
  "user restricted receiving of * messages",
  // MessageTopic.cpp, get_message_topic() and get_send_message_topic()
  "channel direct messages topic must be specified",
  "messages can't be explicitly sent to a Saved Messages topic",
  "chat is not an administered channel direct messages chat",
  // MessagesManager.cpp, get_forwarded_messages()
  "chat to forward messages to not found",
  "can't forward messages to a specific message thread",
  // MessagesManager.cpp, process_send_message_fail_error(), of REPLY_TO_MONOFORUM_PEER_INVALID
  "wrong direct messages topic identifier specified",
  "REPLY_TO_MONOFORUM_PEER_INVALID",
  // MessageSendOptions.cpp, get_message_send_options()
  "can't use message effects in the chat",
  "suggested posts can be sent only to channel direct messages",
  // ReplyMarkup.cpp, get_reply_markup() where the bot is an anonymous administrator; get_keyboard_button()
  "inline keyboard expected",
  "can't use switch_inline_query* button in a channel chat*",
  "phone number can be requested in private chats only",
  "location can be requested in private chats only",
  "poll can be requested in private chats only",
  "users can be requested in private chats only",
  "chats can be requested in private chats only",
  "managed bots can be requested in private chats only",
  "web App buttons can be used in private chats only",
  // Client.cpp, check_reply_parameters(); MessagesManager.cpp, on_send_message_fail(); of a message in the chat
  "message to be replied not found",
  "QUOTE_TEXT_INVALID",
  "REPLY_MESSAGE_ID_INVALID",
  // Client.cpp, check_chat_access(), where it says not to which; with an id it is another outcome.
  "group chat was upgraded to a supergroup chat",
  // MessagesManager.cpp, SendMultiMediaQuery and on_send_message_fail()
  "ALLOW_PAYMENT_REQUIRED*",
  "CHAT_GUEST_SEND_FORBIDDEN",
  "SEND_AS_PEER_INVALID",
  // ChatManager.cpp, on_get_channel_error()
  "CHANNEL_MONOFORUM_UNSUPPORTED",
  // NetQueryDelayer.cpp, delay(): SLOWMODE_WAIT_# becomes a 429, and comes as a 400 only in a form that it does not know.
  "SLOWMODE_*",
  // MessagesManager.cpp, process_send_message_fail_error(), of a chat that is no private one
  "USER_IS_BOT",
  // Telegram's servers, of messages.sendMessage and messages.sendMedia
  "CHAT_ADMIN_REQUIRED",
  "CHAT_FORBIDDEN",
  "CHAT_RESTRICTED",
  "CHAT_SEND_*_FORBIDDEN",
  "CHAT_WRITE_FORBIDDEN",
  "PAYMENT_UNSUPPORTED",
  "PREMIUM_ACCOUNT_REQUIRED",
  "PRIVACY_PREMIUM_REQUIRED",
  "SUGGESTED_POST_PEER_INVALID",
  "USER_BANNED_IN_CHANNEL",
  "USER_PRIVACY_RESTRICTED",
  "VOICE_MESSAGES_FORBIDDEN",
  "YOU_BLOCKED_USER",
];

/** By a topic of the chat that is closed, or not found. The chat's General topic may take the message. */
export const refusedByTopic: Readonly<Record<"closed" | "missing", readonly string[]>> = {
  // Telegram's servers, of messages.sendMessage and messages.sendMedia
  closed: ["TOPIC_CLOSED"],
  missing: [
    // Client.cpp, check_message_topic() and TdOnCheckForumTopicCallback. Also of topics that are there but old, and once, for
    // a day, of all topics in private chats (issues 693 and 847 of tdlib/telegram-bot-api).
    "message thread not found",
    // MessageTopic.cpp, get_message_topic() and get_send_message_topic()
    "chat doesn't have threads",
    "invalid message thread identifier specified",
    "invalid topic identifier specified",
    "chat is not a forum",
    "topic not found",
    // MessagesManager.cpp, can_use_forum_topic_id()
    "invalid forum topic identifier specified",
    "chat doesn't have topics",
    // Telegram's servers, of messages.sendMessage and messages.sendMedia
    "TOPIC_DELETED",
    "TOPIC_ID_INVALID",
  ],
};

/** The chat is not found. */
export const unreachableChats: readonly string[] = [
  // Client.cpp, TdOnCheckChatCallback, of chats and people that the bot has not met; MessagesManager.cpp, send_message()
  "chat not found",
  // Client.cpp, check_chat_access()
  "private chat not found",
  // Older servers, of a basic group that is no more; today's say "the group chat was deleted".
  "group is deactivated",
  "group chat was deactivated",
  // ChatManager.cpp, on_get_channel_error(), where the bot is counted as having left
  "CHANNEL_PRIVATE",
  "CHANNEL_PUBLIC_GROUP_NA",
  "FROZEN_PARTICIPANT_MISSING",
  // MessagesManager.cpp, process_send_message_fail_error(), of a chat that is no private one; DialogActionManager.cpp of any
  "PEER_ID_INVALID",
  // Telegram's servers, of messages.sendMessage and messages.sendMedia
  "CHANNEL_INVALID",
  "CHAT_ID_INVALID",
];

/** Only as 403: private chats of people who have not opened a chat with this bot. */
export const unopenedChats: readonly string[] = [
  // MessagesManager.cpp, process_send_message_fail_error(), of PEER_ID_INVALID in a private chat
  "bot can't initiate conversation with *",
];

/** Only as 403: why the chat cannot be written to any more. */
export const goneChats: Readonly<Record<"blocked" | "left" | "gone", readonly string[]>> = {
  // Client.cpp, fail_query_with_error(), of USER_IS_BLOCKED
  blocked: ["bot was blocked by the user"],
  // Client.cpp, check_chat_access()
  left: ["bot was kicked from the * chat", "bot is not a member of the * chat"],
  gone: [
    // Client.cpp, check_chat_access()
    "the group chat was deleted",
    // Client.cpp, check_chat_access(), and fail_query_with_error(), of INPUT_USER_DEACTIVATED
    "user is deactivated",
    // MessagesManager.cpp, process_send_message_fail_error(), of USER_IS_BOT; older servers say it without names.
    "the bot can't send messages to the bot",
    "bot can't send messages to bots",
  ],
};

/** The same in the form of Telegram's servers, in case it is passed on unchanged: as 400, or as 403. */
export const goneInCapitals: Readonly<Record<"blocked" | "gone", readonly string[]>> = {
  // Client.cpp, fail_query_with_error()
  blocked: ["USER_IS_BLOCKED"],
  // Client.cpp, fail_query_with_error(); MessagesManager.cpp, process_send_message_fail_error()
  gone: ["INPUT_USER_DEACTIVATED", "USER_DELETED"],
};

/** Nothing can be sent with this token at all. */
export const botRefusals: readonly string[] = [
  // NetQueryDispatcher.cpp, dispatch(), and Client.cpp, fail_query_with_error(): the account is frozen.
  "FROZEN_METHOD_INVALID",
  // Client.cpp, get_closing_error(): the bot is moving to another server.
  "logged out",
];

/**
 * Faults of the message itself: every chat would refuse it.
 *
 * Not here, though their descriptions are alike, as a chat can cause them: "the message can't be copied" (MessagesManager.cpp,
 * get_forwarded_messages(), hides "not enough rights to send photos" behind it), BUTTON_TYPE_INVALID and
 * REPLY_MARKUP_INVALID (not every chat takes every button). Nor those that a person mentioned in the message can cause:
 * ENTITY_MENTION_USER_INVALID, BUTTON_USER_INVALID, BUTTON_USER_PRIVACY_RESTRICTED, "user not found" (UserManager.cpp,
 * get_input_user()). Nor temporary ones: FILE_REFERENCE_* (FileReferenceManager.cpp) and FILE_PART_#_MISSING (FileManager.cpp,
 * get_missing_file_parts()).
 */
export const messageFaults: readonly string[] = [
  // Client.cpp, get_input_message_text()
  "message text is empty",
  // Client.cpp, get_formatted_text()
  "text is too long",
  "unsupported parse_mode",
  "can't parse MessageEntity: *",
  // SynchronousRequests.cpp, do_request(parseTextEntities), which Client.cpp, get_formatted_text(), calls
  "can't parse entities*",
  // Client.cpp, get_link_preview_options()
  "can't parse link preview options JSON object",
  "object expected as link preview options",
  // Client.cpp, process_send_photo_query()
  "there is no photo in the request",
  // Client.cpp, process_copy_message_query(), of the chat that is copied from
  "message to copy not found",
  // Client.cpp, get_required_string_arg()
  'parameter "*" is required',
  // JsonBuilder.cpp, JsonObject::get_*_field(), of what a parameter holds
  'field "*" must be *',
  'can\'t find field "*"',
  // Client.cpp, get_reply_parameters()
  "can't parse reply parameters JSON object",
  "object expected as reply parameters",
  // Client.cpp, get_reply_markup(), get_inline_keyboard_button_type(), on_bot_username_resolved()
  "can't parse reply keyboard markup JSON object",
  "object expected as reply markup",
  "can't parse keyboard button: *",
  "can't parse inline keyboard button: *",
  'bot "*" not found',
  // ReplyMarkup.cpp, get_keyboard_button(), get_inline_keyboard_button()
  "keyboard button text must be *",
  "keyboard button Web App *",
  "inline keyboard button *",
  "link to a user can't be used in login URL buttons",
  "link to a user can't be used in Web App URL buttons",
  // Client.cpp, fail_query_with_error(), of WC_CONVERT_URL_INVALID and EXTERNAL_URL_INVALID, WEBPAGE_CURL_FAILED,
  // WEBPAGE_MEDIA_EMPTY, REPLY_MARKUP_TOO_LONG and "File generation failed"
  "wrong HTTP URL specified",
  "failed to get HTTP URL content",
  "wrong type of the web page content",
  "reply markup is too long",
  "can't upload file by URL",
  // MessageContent.cpp, get_input_message_content()
  "message is too long",
  "message caption is too long",
  "input message content must be non-empty",
  "photo must be non-empty",
  // MessageEntity.cpp, fix_formatted_text()
  "text must be non-empty",
  "strings must be encoded in UTF-8",
  "receive an entity with incorrect offset *",
  "receive an entity with incorrect length *",
  // MessageEntity.cpp, clean_input_string_with_entities()
  "entity beginning at UTF-16 offset # ends in a middle of a UTF-16 symbol at byte offset #",
  "entity beginning at UTF-16 offset # ends after the end of the text at UTF-16 offset #",
  "entity begins in a middle of a UTF-16 symbol at byte offset #",
  "entity begins after the end of the text at UTF-16 offset #",
  // MessageEntity.cpp, get_message_entities()
  "messageEntityPreCode.language must be encoded in UTF-8",
  "messageEntityTextUrl.url must be encoded in UTF-8",
  "entity URL * is invalid: *",
  "entity URL is invalid: *",
  "invalid media timestamp specified",
  "invalid custom emoji identifier specified",
  // MessagesManager.cpp, process_send_message_fail_error(), of MEDIA_EMPTY, PHOTO_EXT_INVALID, and CHAT_FORWARDS_RESTRICTED,
  // which is said of the chat that is copied from
  "wrong file identifier/HTTP URL specified",
  "photo has unsupported extension. Use one of *",
  "message has protected content and can't be forwarded",
  // MessagesManager.cpp, get_forwarded_messages(), of the chat that is copied from
  "chat to forward messages from not found",
  "can't access the chat to forward messages from",
  "can't forward scheduled messages",
  // FileManager.cpp, from_persistent_id() and what it calls, check_input_file_id()
  "invalid file HTTP URL specified: *",
  "URL must be in UTF-8",
  "wrong remote file identifier specified: *",
  "remote file identifier must be non-empty",
  "invalid remote file identifier",
  "unexpected conversion type",
  "can't use file of type * as *",
  // FileLoaderUtils.cpp, check_full_local_location()
  "file must be non-empty",
  "file is too big",
  "file of size # bytes is too big*",
  // MessagesManager.cpp, on_send_message_fail()
  "ENTITY_BOUNDS_INVALID",
  // Telegram's servers, of messages.sendMessage
  "ENTITIES_TOO_LONG",
  "MESSAGE_EMPTY",
  "MESSAGE_TOO_LONG",
  "BUTTON_COPY_TEXT_INVALID",
  "BUTTON_DATA_INVALID",
  "BUTTON_URL_INVALID",
  // Telegram's servers, of messages.sendMedia and messages.uploadMedia
  "FILE_PARTS_INVALID",
  "FILE_PART_LENGTH_INVALID",
  "IMAGE_PROCESS_FAILED",
  "MEDIA_CAPTION_TOO_LONG",
  "MEDIA_EMPTY",
  "MEDIA_INVALID",
  "PHOTO_EXT_INVALID",
  "PHOTO_INVALID_DIMENSIONS",
  "PHOTO_SAVE_FILE_INVALID",
  "WEBPAGE_URL_INVALID",
];
