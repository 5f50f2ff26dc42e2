/** The methods that are about the bot itself: its commands, its names, its files. */
import type { BotCommand, UserFromGetMe } from "grammy/types";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import type { World } from "./world.ts";

export function getMe(world: World): UserFromGetMe {
  return world.bot;
}

export function setMyCommands(world: World, { payload }: Form): true {
  const commands = payload["commands"];
  if (!Array.isArray(commands)) throw badRequest("can't parse commands: expected an Array of BotCommand");
  for (const { command, description } of commands) {
    if (!/^\/?[a-z0-9_]{1,32}$/.test(String(command))) throw badRequest("BOT_COMMAND_INVALID");
    if (!/^.{1,256}$/su.test(String(description))) throw badRequest("BOT_COMMAND_DESCRIPTION_INVALID");
  }
  world.commands.set(commandsKey(payload), commands as BotCommand[]);
  return true;
}

export function getMyCommands(world: World, { payload }: Form): BotCommand[] {
  return world.commands.get(commandsKey(payload)) ?? [];
}

export function deleteMyCommands(world: World, { payload }: Form): true {
  world.commands.delete(commandsKey(payload));
  return true;
}

export function getFile({ files }: World, { payload }: Form): object {
  return files.describe(String(payload["file_id"] ?? ""));
}

/** Nobody has a picture of themselves here. */
export function getUserProfilePhotos(world: World, { payload }: Form): object {
  const userId = Number(payload["user_id"]);
  if (!Number.isInteger(userId) || userId <= 0) throw badRequest("invalid user_id specified");
  if (!world.people.has(userId)) throw badRequest("user not found");
  return { total_count: 0, photos: [] };
}

function commandsKey(payload: Payload): string {
  return JSON.stringify([payload["scope"] ?? { type: "default" }, payload["language_code"] ?? ""]);
}
