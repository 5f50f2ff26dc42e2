/** What an operator may say of a chat that is saved by hand. */
import type { UserInfo } from "../chat.ts";
import { assertNames, type Names } from "../option_names.ts";

/** Whatever another program keeps besides is its own affair. */
const userInfoNames: Names = {
  known: ["username", "first_name", "last_name", "user_id", "title", "type"],
  what: "a name in userInfo",
  isOpen: true,
};

/** @throws {TypeError} Naming the value that can be none, or the name that is misspelt. */
export function assertUserInfo(userInfo: UserInfo): void {
  assertNames("save the chat", userInfo, userInfoNames);
  const isMap = typeof userInfo === "object" && userInfo !== null && !Array.isArray(userInfo);
  const odd = isMap && Object.entries(userInfo).find(([, value]) => !isPlain(value));
  if (isMap && odd === undefined) return;
  const name = odd ? `userInfo.${odd[0]}` : "userInfo";
  const rule = odd ? "a text, a number up to 2^53, true or false" : 'an object such as { username: "ada" }';
  throw new TypeError(
    `Cannot save the chat as "${name}" must be ${rule}: current value is ${String(odd ? odd[1] : userInfo)}`,
  );
}

function isPlain(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
  return value === undefined || value === null || typeof value === "string" || typeof value === "boolean";
}
