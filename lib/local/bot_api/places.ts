/** The methods that send what is neither text nor a file: places, contacts and dice. */
import type { Message } from "grammy/types";
import { deliver, writableRoom } from "./deliver.ts";
import { badRequest } from "./errors.ts";
import type { Form, Payload } from "./form.ts";
import type { World } from "./world.ts";

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
