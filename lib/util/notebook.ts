/**
 * What is different in a notebook. Deno's Jupyter kernel says nothing of a rejected promise that no cell awaits, nor of what
 * a timer's callback throws; and an interrupt (SIGINT) ends it with all that its cells have made, unless somebody listens.
 */
import process from "node:process";
import { type Clock, systemClock } from "./clock.ts";
import { interrupted, interruptReason, messageOf, placeOf } from "./errors.ts";
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

const tellerKey = Symbol.for("telegram-signals.uncaught");

interface World {
  /** Who tells of what nobody awaits: one for the process, as a notebook may load a changed module beside the one it has. */
  [tellerKey]?: Logger;
  addEventListener?(
    type: "unhandledrejection" | "error",
    listener: (event: { readonly reason?: unknown; readonly error?: unknown }) => void,
  ): void;
}

/** In a notebook, has the logger told from now on what has failed and no cell catches; does nothing elsewhere. */
export function tellUncaught(logger: Logger): void {
  if (!isNotebook()) return;
  const world = globalThis as World;
  const isListening = world[tellerKey] !== undefined;
  world[tellerKey] = logger;
  if (isListening) return;
  world.addEventListener?.("unhandledrejection", ({ reason }) => {
    world[tellerKey]?.error(`No cell awaits what has failed here: ${withPlace(reason)}`);
  });
  world.addEventListener?.("error", ({ error }) => {
    world[tellerKey]?.error(`No cell catches what a callback has thrown: ${withPlace(error)}`);
  });
}

function withPlace(error: unknown): string {
  const place = placeOf(error, "ext:");
  return `${messageOf(error)}${place === undefined ? "" : ` (${place})`}`;
}

const interruptible = new Set<AbortController>();
/** Tasks that run, and those that an interrupt has just ended. */
let listeners = 0;
/** A second press of the stop button, as of somebody in a hurry, does not end the kernel. */
const graceMs = 2000;

function interrupt(): void {
  for (const controller of interruptible) controller.abort(interrupted(interruptReason));
}

function listen(): void {
  if (listeners++ === 0) process.on("SIGINT", interrupt);
}

function leave(): void {
  if (--listeners === 0) process.off("SIGINT", interrupt);
}

/**
 * Runs the task with a signal that aborts when the notebook's kernel is interrupted; the kernel lives on. An interrupt while
 * no such task runs does what it always does.
 */
export async function untilInterrupted<T>(
  task: (signal: AbortSignal) => Promise<T>,
  clock: Clock = systemClock,
): Promise<T> {
  const controller = new AbortController();
  listen();
  interruptible.add(controller);
  try {
    return await task(controller.signal);
  } finally {
    interruptible.delete(controller);
    if (controller.signal.aborted) void clock.sleep(graceMs).then(leave);
    else leave();
  }
}
