/** Who is what in a chat, in the shapes of the Bot API. */
import type { Chat, ChatMember, User } from "grammy/types";

/** What the bot or a person is in a chat. */
export type MemberStatus = "administrator" | "creator" | "kicked" | "left" | "member";

/** Telegram's own accounts: they stand in for an anonymous administrator and for a channel that writes. */
export const groupAnonymousBot: User = {
  id: 1087968824,
  is_bot: true,
  first_name: "Group",
  username: "GroupAnonymousBot",
};
export const channelBot: User = {
  id: 136817688,
  is_bot: true,
  first_name: "Channel",
  username: "Channel_Bot",
};

const administratorRights = {
  can_be_edited: false,
  can_manage_chat: true,
  can_change_info: true,
  can_delete_messages: true,
  can_invite_users: true,
  can_restrict_members: true,
  can_promote_members: false,
  can_manage_video_chats: true,
  can_post_stories: false,
  can_edit_stories: false,
  can_delete_stories: false,
  is_anonymous: false,
};

/** A ChatMember of this status. */
export function chatMember(user: User, status: MemberStatus, chat: Chat): ChatMember {
  return { user, status, ...details(status, chat) } as ChatMember;
}

function details(status: MemberStatus, chat: Chat): object {
  switch (status) {
    case "administrator":
      return {
        ...administratorRights,
        ...(chat.type === "channel"
          ? { can_post_messages: true, can_edit_messages: true }
          : { can_pin_messages: true, can_manage_topics: false }),
      };
    case "creator":
      return { is_anonymous: false };
    case "kicked":
      return { until_date: 0 };
    default:
      return {};
  }
}

export function isAdministrator(status: MemberStatus): boolean {
  return status === "creator" || status === "administrator";
}

export function isMember(status: MemberStatus): boolean {
  return status !== "left" && status !== "kicked";
}
