/** Mistakes in lib that the simulation has to find. Each replaces one text, which occurs once in its file. */
import { readdir, readFile } from "node:fs/promises";

/** A text of lib, and what stands in its place. */
export interface Change {
  /** From the project's folder. */
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
}

export interface Mutant extends Change {
  /** What is wrong with lib. */
  readonly name: string;
  /** The scene of `scenes_*.test.ts` that finds it, where histories play the like too seldom. */
  readonly scene?: string;
  /** Another guard that would do, too, and so is dropped with it. */
  readonly besides?: Change;
}

/** A takeover looks where the groups that a run names have moved. */
const namedMoves: Change = {
  file: "lib/broadcast/run_follower.ts",
  text: "const moved = await withMoves(claimed, recipients.ids, registry);",
  replacement: "const moved = claimed;",
};

/** The file's source with the mistake; `undefined` where the text does not occur in it exactly once. */
export function applied({ text, replacement }: Change, source: string): string | undefined {
  const at = source.indexOf(text);
  if (at < 0 || source.includes(text, at + 1)) return undefined;
  return source.slice(0, at) + replacement + source.slice(at + text.length);
}

/** The file of a scene's test, without `.test.ts`. @throws {Error} If there is none. */
export async function sceneFileOf(scene: string): Promise<string> {
  const here = new URL(".", import.meta.url);
  for (const name of (await readdir(here)).filter((name) => name.startsWith("scenes_"))) {
    const source = await readFile(new URL(name, here), "utf8");
    const titles = [...source.matchAll(/test\(\s*(?:"([^"]+)"|`([^`]+)`)/g)].map(([, text, template]) =>
      text ?? template
    );
    if (titles.some((title) => isTitleOf(title as string, scene))) return name.replace(".test.ts", "");
  }
  throw new Error(`There is no scene "${scene}"`);
}

/** Whether the scene's name is the title, whose placeholders may be anything. */
function isTitleOf(title: string, scene: string): boolean {
  const parts = title.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".+")}$`).test(scene);
}

const updates: readonly Mutant[] = [
  {
    name: "a message of a stopped chat subscribes it",
    file: "lib/chats/chat.ts",
    text: "return event.registers && !isStopped(counted) ? reopened(counted) : counted;",
    replacement: "return event.registers ? reopened(counted) : counted;",
  },
  {
    name: "update ids are not compared",
    file: "lib/chats/chat.ts",
    text: "return updateId !== undefined && lastId !== undefined && updateId <= lastId &&",
    replacement: "return updateId === -1 && lastId !== undefined && updateId <= lastId &&",
  },
  {
    name: "a chat that blocks the bot stays subscribed",
    file: "lib/chats/chat.ts",
    text: 'return chat.is_active ? deactivated(marked, event.reason ?? "gone", event.at) : marked;',
    replacement: "return marked;",
  },
  {
    name: "a block that overtakes its chat's first message is not kept",
    file: "lib/chats/update.ts",
    text: "mayOvertake && isAllowed;",
    replacement: "false;",
    scene: "a block that overtakes a message on its way to a webhook holds, on whatever machine",
  },
  {
    name: "a /stop in a supergroup that is not known yet is not kept",
    file: "lib/chats/update.ts",
    text: 'kind !== "start" && chatType === "supergroup"',
    replacement: 'kind === "message" && chatType === "supergroup"',
    scene: "a /stop in a supergroup that a webhook delivers before what its group has said holds",
  },
  {
    name: "a group's move to its supergroup is not followed",
    file: "lib/chats/update.ts",
    text: "const move = moveOf(message);",
    replacement: "const move = undefined as ReturnType<typeof moveOf>;",
  },
  {
    name: "an update is confirmed before it is written",
    file: "lib/telegram/polling.ts",
    text: "): boolean => isHandled && isDurable;",
    replacement: "): boolean => isHandled || isDurable;",
  },
  {
    name: "stopBot() confirms what is not written",
    file: "lib/telegram/polling.ts",
    text: "    this.#move([], false);",
    replacement: "    this.#offset = Math.max(0, ...this.#states.keys()) + 1;",
    scene: "what is not written when a bot is stopped comes again",
  },
  {
    name: "a chat's tasks run in no order",
    file: "lib/util/async.ts",
    text: "const mine = before === undefined ? task() : before.then(task, task);",
    replacement: "const mine = task();",
  },
  {
    name: "a queued update is answered before it is queued",
    file: "lib/chats/update_processor.ts",
    text: "const result = await pending?.acknowledged;",
    replacement: 'const result = await (pending && ("queued" as const));',
  },
  {
    name: "a queued /stop is answered as if it were written",
    file: "lib/chats/replies.ts",
    text: 'if (intent === "stop") return ["stoppedForNow"];',
    replacement: 'if (intent === "stop") return ["stopped"];',
  },
];

/** What webhooks, other programs, groups and disks bring about. */
const surroundings: readonly Mutant[] = [
  {
    name: "a webhook takes an update that is not kept",
    file: "lib/chats/update_processor.ts",
    text: "      if (isOutage(error)) throw error;\n",
    replacement: "",
  },
  {
    name: "a chat that another program has deactivated is subscribed by a message",
    file: "lib/chats/chat.ts",
    text:
      'return !chat.is_active && (chat.removed_reason === undefined || chat.removed_reason === "stopped");',
    replacement: 'return !chat.is_active && chat.removed_reason === "stopped";',
  },
  {
    name: "a broadcast does not read the list anew",
    file: "lib/chats/consent_check.ts",
    text: "    await registry.refresh({ signal, onProgress: () => this.#answered() });\n",
    replacement: "    this.#answered();\n",
  },
  {
    name: "an earlier reading of the list replaces a later one",
    file: "lib/chats/registry.ts",
    text: "      if (number < this.#latestLoad) return;\n",
    replacement: "",
    scene: "the list that was read later holds where an earlier reading ends after it",
  },
  {
    name: "the spool keeps what is written",
    file: "lib/chats/write_queue.ts",
    text: "        if (!this.#pending.isOnDisk) return await spool?.clear();\n",
    replacement: "",
  },
];

const writes: readonly Mutant[] = [
  {
    name: "a chat is written without its condition",
    file: "lib/dynamodb/chat_item.ts",
    text: '  if (expected.kind === "item") requireUnchanged(update, expected.item);\n',
    replacement: "",
  },
  {
    name: "a write that guesses does not compare update ids",
    file: "lib/dynamodb/chat_item.ts",
    text: '  if (ids.length > 0) update.requireBelowIfAny("last_update_id", "<", Math.min(...ids));\n',
    replacement: "",
  },
  {
    name: "a write whose answer was lost is not taken for ours",
    file: "lib/dynamodb/chat_storage.ts",
    text: "const isOurs = ($metadata?.attempts ?? 1) > 1 && isWritten(found.state, after, expected);",
    replacement: "const isOurs = $metadata?.attempts === -1 && isWritten(found.state, after, expected);",
    scene: "a write whose answer was lost is answered as what it is",
  },
  {
    name: "a write that comes second after a lost answer is taken for ours",
    file: "lib/dynamodb/chat_item.ts",
    text: "  if (now === undefined || now.is_active !== after.is_active) return false;\n",
    replacement: "  if (now !== undefined) return true;\n",
  },
  {
    name: "a throttled write is given up",
    file: "lib/chats/storage.ts",
    text: 'return error instanceof StorageError && error.reason !== "failed";',
    replacement:
      'return error instanceof StorageError && error.reason !== "failed" && error.reason !== "throttled";',
  },
  {
    name: "expired keys are not renewed",
    file: "lib/dynamodb/client.ts",
    text: "const after = await credentials({ forceRefresh: true });",
    replacement: "const after = await credentials();",
  },
  {
    name: "a /stop in the queue does not count",
    file: "lib/chats/update_processor.ts",
    text:
      "        overlayUntilWritten(registry, chatId, false, pending.written, { order, stop: stopOf(write) });\n",
    replacement: "",
    scene: "a /stop that waits in the queue holds until a bot that is stopped has ended its broadcast",
  },
  {
    name: "stopBot() forgets the /stops of the queue",
    file: "lib/chats/update_processor.ts",
    text: "written.then(end, (error) => error instanceof NotWrittenError || end());",
    replacement: "written.then(end, end);",
    scene: "a /stop that waits in the queue holds until a bot that is stopped has ended its broadcast",
  },
  {
    name: "a /stop in the spool is forgotten after a restart",
    file: "lib/bot/wiring.ts",
    text: "  overlayRestored(registry, writes, written);\n",
    replacement: "",
    scene: "a /stop in the spool holds after a restart, before it is written",
  },
  {
    name: "the spool is not read after a restart",
    file: "lib/bot/wiring.ts",
    text: "const { entries, unreadable } = await spool.read();",
    replacement: "const { entries, unreadable } = { ...await spool.read(), entries: [] as ChatWrite[] };",
    scene: "a /stop in the spool holds after a restart, before it is written",
  },
  {
    name: "the spool is acknowledged before it is on disk",
    file: "lib/util/json_lines_file.ts",
    text: "  await file.appendFile(bytes);\n  await file.datasync();\n",
    replacement: "  await file.appendFile(bytes);\n",
    scene: "updates that are confirmed from the spool outlive a loss of power",
  },
];

const broadcasts: readonly Mutant[] = [
  {
    name: "a run is begun over another process's",
    file: "lib/dynamodb/ledger.ts",
    text: '  update.requireAbsent("broadcast_id");\n',
    replacement: "",
    scene: "of two processes that begin the same broadcast at once, one sends it",
  },
  {
    name: "the ledger ignores owner and fence",
    file: "lib/dynamodb/ledger.ts",
    text:
      '  update.requireValue("owner", { S: run.owner });\n  update.requireValue("fence", { N: String(run.fence) });\n',
    replacement: "",
  },
  {
    name: "a window is sent to before it is written",
    file: "lib/broadcast/checkpoint.ts",
    text:
      "if (!await this.#save(changes, giveUpMs)) return false;\n    this.#isOwnWindow = this.#isInOrder = true;",
    replacement: "void this.#save(changes, giveUpMs);\n    this.#isOwnWindow = this.#isInOrder = true;",
    scene: "a window is not sent to before the ledger has it",
  },
  {
    name: "a window's last chat is left out of it",
    file: "lib/broadcast/checkpoint.ts",
    text: "const last = chats.filter((id) => !isNamed(id)).at(-1);",
    replacement: "const last = chats.filter((id) => !isNamed(id)).at(-2);",
    scene: "a process dies in its second window, and another one goes on with skip",
  },
  {
    name: "chats in doubt get it again with skip",
    file: "lib/broadcast/run_follower.ts",
    text: "const again = isResent ? doubtfulIds : [];",
    replacement: "const again = doubtfulIds;",
  },
  {
    name: "chats of a dead process's window are forgotten with resend",
    file: "lib/broadcast/run_follower.ts",
    text: "const again = isResent ? doubtfulIds : [];",
    replacement: "const again = isResent ? [] : [];",
  },
  {
    name: "a lease is taken while it is held",
    file: "lib/broadcast/run_follower.ts",
    text: "return unrenewedMs >= (lease_until < this.#clock.now() ? renewedWithinMs : leaseMs);",
    replacement: "return unrenewedMs >= (lease_until < this.#clock.now() ? 0 : 3000);",
    scene: "a process that waits for the end of a flood keeps its lease",
  },
  {
    name: "a lease is not renewed",
    file: "lib/broadcast/checkpoint.ts",
    text: "    void this.#renewLease();\n",
    replacement: "",
    scene: "a process that waits for the end of a flood keeps its lease",
  },
  {
    name: "a /stop just before a message leaves does not count",
    file: "lib/broadcast/delivery.ts",
    text:
      "    if (signal.aborted) return this.#ended;\n    if (!await check.isSubscribed(this.#chatId)) return unsubscribed;\n    const { isActive } = await check.standingOf(this.#chatId);\n    this.#checkTime();\n    if (signal.aborted) return this.#ended;\n    if (!isActive || !registry.isSubscribed(this.#chatId)) return unsubscribed;",
    replacement: "    return signal.aborted ? this.#ended : undefined;",
    scene: "a /stop counts while the message waits for the end of its chat's flood",
  },
  {
    name: "a broadcast does not wait for the first poll",
    file: "lib/broadcast/run.ts",
    text: "  await caughtUp?.(end.signal);\n",
    replacement: "",
    scene: "without a spool a /stop holds after a restart: a broadcast waits for the first poll",
  },
  {
    name: "a chat whose flood has ended is not written ahead again",
    file: "lib/broadcast/held_chats.ts",
    text: "if (!this.#setAside.has(chatId)) return undefined;",
    replacement: "if (this.#setAside.size >= 0) return undefined;",
    scene: "after a crash in many chats' floods a hundred are in doubt at most, with skip",
  },
  {
    name: "a /stop that another instance has confirmed does not count",
    file: "lib/chats/consent_check.ts",
    text: "return this.#log.count === count || !this.#log.chats.has(chatId);",
    replacement: "return this.#log.count >= count;",
    scene: "a /stop that another instance has confirmed ends what a broadcast sends",
  },
  {
    name: "a message that may have arrived is taken for lost",
    file: "lib/telegram/outcome.ts",
    text: "/ERR_REQUEST_UNSENT|",
    replacement: "/ECONNRESET|ERR_REQUEST_UNSENT|",
    scene: "a message whose answer is lost is not sent again",
  },
  {
    name: "a message without an answer counts as sent",
    file: "lib/broadcast/delivery.ts",
    text: '        return { outcome: "unknown", message };',
    replacement: '        return { outcome: "sent" };',
    scene: "a message whose answer is lost is not sent again",
  },
  {
    name: "a run that is taken over forgets when it expires",
    file: "lib/broadcast/run_follower.ts",
    text: 'expiresAt: numberIn(run["expires_at"]) ?? Infinity,',
    replacement: "expiresAt: Infinity,",
    scene: "a signal that has expired when its process dies goes to nobody any more",
  },
  {
    name: "a broadcast goes out though its list cannot be read",
    file: "lib/broadcast/recipients.ts",
    text: "  await check.refresh();\n  signal?.throwIfAborted();",
    replacement: "  await check.refresh().catch(() => {});",
    scene:
      "a broadcast whose list cannot be read goes to nobody; a signal says that it went by what was in memory",
  },
  {
    name: "every signal says that it went by what was in memory",
    file: "lib/broadcast/recipients.ts",
    text: "return fromMemory ?? (registry.isUnread ? { asOf: undefined } : undefined);",
    replacement: "return fromMemory ?? { asOf: registry.readAt };",
    scene:
      "a broadcast whose list cannot be read goes to nobody; a signal says that it went by what was in memory",
  },
  {
    name: "a request that never left is not sent again",
    file: "lib/broadcast/delivery.ts",
    text: 'const mayTryAgain = outcome.kind === "notSent" ||',
    replacement: 'const mayTryAgain = outcome.kind === "moved" ||',
    scene: "a message whose request never left, or that finds its topic closed, is sent all the same",
  },
  {
    name: "a closed topic is not left",
    file: "lib/broadcast/delivery.ts",
    text: 'if (outcome.kind === "topic" && this.#leaveTopic(outcome.reason, error))',
    replacement:
      'if (outcome.kind === "topic" && this.#attempts === 0 && this.#leaveTopic(outcome.reason, error))',
    scene: "a message whose request never left, or that finds its topic closed, is sent all the same",
  },
  {
    name: "a process whose list is old says that it knew all",
    file: "lib/broadcast/run_follower.ts",
    text: 'knownTo: known === undefined ? run.window_after : numberIn(run["passed_after"]),',
    replacement: "knownTo: run.cursor,",
    scene: "after a death in window 2 one whose list is read later counts each chat once, with resend",
  },
  {
    name: "a group that waits is handed over under its old id",
    file: "lib/broadcast/send_loop.ts",
    text: "return void this.unsent.push(deps.registry.movedTo(chatId) ?? movedTo);",
    replacement: "return void this.unsent.push(chatId);",
    besides: namedMoves,
    scene: "groups that wait for text1, and move, get it when the bot is restarted",
  },
  {
    name: "a supergroup is not known for the group that it was",
    file: "lib/broadcast/send_order.ts",
    text: "return this.#late.has(chatId) && !this.#named.has(chatId);",
    replacement: "return false;",
    scene: "groups that have a signal, and move then, do not get it again when the list is read later",
  },
  {
    name: "a process that takes over does not learn who is new",
    file: "lib/broadcast/send_order.ts",
    text: "this.#isRead || this.#explicit !== undefined) return undefined;",
    replacement: "this.#isRead || this.order !== undefined) return undefined;",
    scene:
      "after a takeover chats get a signal, too, that a process did not know which could not read the list",
  },
  {
    name: "a supergroup that had its group's turn has its own after a takeover",
    file: "lib/broadcast/run_follower.ts",
    text: "const record = withTurns(await withPassedMoves(moved, recipients.ids, registry, order), order);",
    replacement: "const record = moved;",
    scene: "groups in doubt that move before a takeover have one turn, with skip",
  },
  {
    name: "a supergroup whose group was in a dead process's window is forgotten",
    file: "lib/broadcast/run_follower.ts",
    text: "withTurns(await withPassedMoves(moved, recipients.ids, registry, order), order);",
    replacement: "withTurns(moved, order);",
    scene: "groups that have text3, and move once its process is dead, do not get it from the next one",
  },
  {
    name: "the counts of a dead process are lost",
    file: "lib/broadcast/run_follower.ts",
    text: "const counters = new BroadcastCounters(countersFromRecord(run));",
    replacement: "const counters = new BroadcastCounters();",
    scene: "a process dies in its second window, and another one goes on with skip",
  },
  {
    name: "a /stop that comes again leaves out who has subscribed since",
    file: "lib/chats/consent_check.ts",
    text:
      "    return registry.isStopPending(chatId) && !registry.isUnread && !this.#isUnreadable &&\n      this.#hasOldStop(chatId);\n",
    replacement: "    return false;\n",
    scene: "who has subscribed after a /stop that the spool still has is not left out after a restart",
  },
  {
    name: "a list that was never read is not waited for",
    file: "lib/chats/consent_check.ts",
    text: "this.#hasFailed ||= !registry.isUnread;",
    replacement: "this.#hasFailed = true;",
    scene: "a signal whose list was never read waits for it until the outage ends",
  },
];

const pace: readonly Mutant[] = [
  {
    name: "messages leave at twice the rate",
    file: "lib/telegram/rate_limit/rates.ts",
    text: "const spacingMs = 1000 / this.#current;",
    replacement: "const spacingMs = 500 / this.#current;",
  },
  {
    name: "messages whose checks were slow leave at once",
    file: "lib/broadcast/delivery.ts",
    text: "const timesLateAtMost = 3;",
    replacement: "const timesLateAtMost = 0;",
  },
  {
    name: "a flood of one chat is taken for the bot's",
    file: "lib/telegram/rate_limit/flood_wait.ts",
    text: 'return this.isOpen(now) && (this.#diagnosis?.scope !== "bot" || this.#isLongRest);',
    replacement: "return false;",
    scene: "the flood of a few chats holds up no others",
  },
  {
    name: "a flood never ends",
    file: "lib/telegram/rate_limit/send_request.ts",
    text: "const until = now + seconds * 1000;",
    replacement: "const until = now + seconds * 1_000_000;",
  },
  {
    name: "the circuit breaker never closes",
    file: "lib/telegram/rate_limit/circuit_breaker.ts",
    text: "    this.#trouble = undefined;\n",
    replacement: "",
  },
];

/** At most one of them is in lib at a time. */
export const mutants: readonly Mutant[] = [...updates, ...surroundings, ...writes, ...broadcasts, ...pace];
