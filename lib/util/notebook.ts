/**
 * What is different in a notebook. Deno's Jupyter kernel says nothing of a rejected promise that no cell awaits, and an
 * interrupt (SIGINT) ends it with all that its cells have made, unless somebody listens.
 */
import process from "node:process";
import { messageOf } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Whether this program is a notebook's kernel. Elsewhere Deno throws when the property is read. */
export function isNotebook(): boolean {
  const { Deno } = globalThis as { Deno?: { readonly jupyter?: unknown } };
  try {
    return Deno?.jupyter !== undefined;
  } catch {
    return false;
  }
}

const tellerKey = Symbol.for("telegram-signals.unawaited");

interface World {
  /** Who tells of what nobody awaits: one for the process, as a notebook may load a changed module beside the one it has. */
  [tellerKey]?: Logger;
  addEventListener?(
    type: "unhandledrejection",
    listener: (event: { readonly reason: unknown }) => void,
  ): void;
}

/** In a notebook, has the logger told from now on what has failed and no cell awaits; does nothing elsewhere. */
export function tellUnawaited(logger: Logger): void {
  if (!isNotebook()) return;
  const world = globalThis as World;
  const isListening = world[tellerKey] !== undefined;
  world[tellerKey] = logger;
  if (isListening) return;
  world.addEventListener?.("unhandledrejection", ({ reason }) => {
    world[tellerKey]?.error(`No cell awaits what has failed here: ${messageOf(reason)}`);
  });
}

const interruptible = new Set<AbortController>();

function interrupt(): void {
  for (const controller of interruptible) controller.abort(new Error("the kernel was interrupted"));
}

/**
 * Runs the task with a signal that aborts when the notebook's kernel is interrupted; the kernel lives on. An interrupt while
 * no such task runs does what it always does.
 */
export async function untilInterrupted<T>(task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  if (interruptible.size === 0) process.on("SIGINT", interrupt);
  interruptible.add(controller);
  try {
    return await task(controller.signal);
  } finally {
    interruptible.delete(controller);
    if (interruptible.size === 0) process.off("SIGINT", interrupt);
  }
}
