/** Telegram's refusals of a message, with their place in the sources: see refusals.ts for how they are written. Pure. */

/**
 * The message's own faults: whatever the chat is, these are said of the message alone.
 *
 * Not here, though they sound alike, as a chat can cause them: "the message can't be copied" (MessagesManager.cpp,
 * get_forwarded_messages(), hides "not enough rights to send photos" behind it), BUTTON_TYPE_INVALID and
 * REPLY_MARKUP_INVALID (not every chat takes every button). Nor what a person whom the message names can cause:
 * ENTITY_MENTION_USER_INVALID, BUTTON_USER_INVALID, BUTTON_USER_PRIVACY_RESTRICTED, "user not found" (UserManager.cpp,
 * get_input_user()). Nor what passes: FILE_REFERENCE_* (FileReferenceManager.cpp) and FILE_PART_#_MISSING (FileManager.cpp,
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
  // The servers behind, of messages.sendMessage
  "ENTITIES_TOO_LONG",
  "MESSAGE_EMPTY",
  "MESSAGE_TOO_LONG",
  "BUTTON_COPY_TEXT_INVALID",
  "BUTTON_DATA_INVALID",
  "BUTTON_URL_INVALID",
  // The servers behind, of messages.sendMedia and messages.uploadMedia
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
