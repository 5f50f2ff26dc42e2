/** The methods that send and end polls. Nobody votes in them. */
import type { Message, Poll } from "grammy/types";
import { deliver, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import { inlineKeyboard } from "./keyboards.ts";
import type { Form, Payload } from "./request.ts";
import type { World } from "./state.ts";

const maxQuestionLength = 300;
const maxOptionLength = 100;
const mostOptions = 12;

export function sendPoll(world: World, { payload }: Form): Message {
  const { question, options } = readPoll(payload);
  const type = String(payload["type"] || "regular");
  if (type !== "regular" && type !== "quiz") throw badRequest("unsupported poll type specified");
  const answer = type === "quiz" ? { correct_option_id: readAnswer(payload, options.length) } : {};
  const room = writableRoom(world, payload);
  return deliver(world, room, payload, () => ({
    poll: {
      id: String(5_000_000_000_000_000n + BigInt(room.chat.id) ** 2n + BigInt(room.messages.size)),
      question,
      options: options.map((text) => ({ text, voter_count: 0 })),
      total_voter_count: 0,
      is_closed: isTrue(payload["is_closed"]),
      is_anonymous: payload["is_anonymous"] === undefined || isTrue(payload["is_anonymous"]),
      type,
      allows_multiple_answers: isTrue(payload["allows_multiple_answers"]),
      ...answer,
    },
  }));
}

export function stopPoll(world: World, { payload }: Form): Poll {
  const room = writableRoom(world, payload);
  const message = room.messages.get(Number(payload["message_id"]));
  if (message === undefined) throw badRequest("message with poll to stop not found");
  if (message.poll === undefined) throw badRequest("message is not a poll");
  if (!room.inbox.includes(message)) throw badRequest("poll can't be stopped");
  if (message.poll.is_closed) throw badRequest("poll has already been closed");
  const poll = { ...message.poll, is_closed: true };
  const { reply_markup: _markup, ...kept } = message;
  room.show({ ...kept, poll, ...inlineKeyboard(payload) } as Message);
  return poll;
}

function readPoll(payload: Payload): { question: string; options: string[] } {
  const question = String(payload["question"] ?? "").trim();
  if (!Array.isArray(payload["options"])) throw badRequest("expected an Array of String as options");
  const options = payload["options"].map(optionText);
  if (question === "") throw badRequest("poll question must be non-empty");
  if ([...question].length > maxQuestionLength) {
    throw badRequest(`poll question length must not exceed ${maxQuestionLength}`);
  }
  if (options.length < 2) throw badRequest("poll must have at least 2 option");
  if (options.length > mostOptions) throw badRequest(`poll can't have more than ${mostOptions} options`);
  if (options.some((text) => text.trim() === "")) throw badRequest("poll options must be non-empty");
  if (options.some((text) => [...text].length > maxOptionLength)) {
    throw badRequest(`poll options length must not exceed ${maxOptionLength}`);
  }
  return { question, options };
}

function optionText(option: unknown): string {
  if (typeof option === "string") return option;
  if (typeof option !== "object" || option === null || !("text" in option)) {
    throw badRequest("expected an option to be of type String");
  }
  return String(option.text);
}

function readAnswer(payload: Payload, options: number): number {
  const { correct_option_ids: ids, correct_option_id: id } = payload;
  const answer = Number(Array.isArray(ids) ? ids[0] : id ?? -1);
  if (Number.isInteger(answer) && answer >= 0 && answer < options) return answer;
  throw badRequest("wrong correct option ID specified");
}

function isTrue(value: unknown): boolean {
  return ["true", "1"].includes(String(value));
}

// The methods that send what is neither text nor a file: places, contacts and dice.

export function sendLocation(world: World, { payload }: Form): Message {
  const location = readLocation(payload);
  return deliver(world, writableRoom(world, payload), payload, () => ({ location }));
}

export function sendVenue(world: World, { payload }: Form): Message {
  const location = readLocation(payload);
  const title = String(payload["title"] ?? "");
  const address = String(payload["address"] ?? "");
  const room = writableRoom(world, payload);
  return deliver(world, room, payload, () => ({ location, venue: { location, title, address } }));
}

export function sendContact(world: World, { payload }: Form): Message {
  const contact = {
    phone_number: required(payload, "phone_number"),
    first_name: required(payload, "first_name"),
    ...payload["last_name"] !== undefined && { last_name: String(payload["last_name"]) },
  };
  return deliver(world, writableRoom(world, payload), payload, () => ({ contact }));
}

/** How many values each has. */
const dice: Readonly<Record<string, number>> = { "🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64 };

export function sendDice(world: World, { payload }: Form): Message {
  const emoji = String(payload["emoji"] ?? "🎲");
  const values = dice[emoji];
  if (values === undefined) throw badRequest("EMOTICON_INVALID");
  const value = 1 + Math.floor(world.clock.random() * values);
  return deliver(world, writableRoom(world, payload), payload, () => ({ dice: { emoji, value } }));
}

function readLocation(payload: Payload): { latitude: number; longitude: number } {
  for (const name of ["latitude", "longitude"]) {
    if ((payload[name] ?? "") === "") throw badRequest(`${name} is empty`);
  }
  const [latitude, longitude] = [Number(payload["latitude"]), Number(payload["longitude"])];
  if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) throw badRequest("wrong location specified");
  return { latitude, longitude };
}

function required(payload: Payload, name: string): string {
  const value = String(payload[name] ?? "");
  if (value === "") throw badRequest(`parameter "${name}" is required`);
  return value;
}
