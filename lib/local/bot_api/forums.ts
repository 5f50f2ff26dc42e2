/** The handles of forums, which are supergroups with topics. */
import type { Message } from "grammy/types";
import type { MessageFields } from "./chats.ts";
import { LocalGroup } from "./groups.ts";
import { createTopic, type LocalTopic, requireAdministrator } from "./local_topic.ts";
import type { LocalUser } from "./people.ts";
import type { Room } from "./room.ts";
import { Topics } from "./topics.ts";
import type { World } from "./world.ts";

/** A forum. What is said without a topic stands in the General one. */
export class LocalForum extends LocalGroup {
  readonly #topics: Topics;

  /** @ignore Forums are made by `server.forum()`. */
  constructor(world: World, room: Room) {
    super(world, room);
    this.#topics = room.topics ??= new Topics();
  }

  /**
   * Somebody writes in the General topic.
   * @throws {Error} If it is closed and the person is no administrator.
   */
  override say(user: LocalUser, text: string, extra: MessageFields = {}): Message {
    if (this.#topics.isGeneralClosed) requireAdministrator(this.room, user, "the General topic");
    return super.say(user, text, extra);
  }

  /** Somebody creates a topic; the bot sees the service message that it begins with. */
  createTopic(by: LocalUser, name: string): LocalTopic {
    return createTopic(this.world, this.room, by.user, name);
  }

  /** Somebody closes the General topic; the bot sees the service message. */
  closeGeneral(by: LocalUser): Message {
    this.#topics.isGeneralClosed = true;
    return this.send("message", { from: by.user, forum_topic_closed: {} });
  }

  /** Somebody opens the General topic again; the bot sees the service message. */
  reopenGeneral(by: LocalUser): Message {
    this.#topics.isGeneralClosed = false;
    return this.send("message", { from: by.user, forum_topic_reopened: {} });
  }
}
