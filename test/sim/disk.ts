/** A machine's disk: what is not synced may be lost with the power, in the middle of a line; a full disk takes a part. */
import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import process from "node:process";
import type { FileSystem, Machine, Scheduler } from "./scheduler.ts";

interface File {
  /** What programs read. */
  bytes: Uint8Array;
  /** What outlives a loss of power. */
  synced: Uint8Array;
}

/** What `stat` says of every file: it is the machine's own. */
const ownFile = { isFile: () => true, uid: process.geteuid?.(), mode: 0o100600 };

export class Disk {
  readonly #scheduler: Scheduler;
  readonly #files = new Map<string, File>();
  /** It is full until then. */
  fullUntil = 0;
  /** Called when a machine begins to append. */
  onAppend: (machine: Machine) => void = () => {};
  /** How much of what was not synced a loss of power leaves, 0 to 1. Default: anything by chance. */
  keptShare: () => number;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
    this.keptShare = scheduler.random;
  }

  /** The size of all files in bytes, without those of lines that were torn. */
  get size(): number {
    const kept = [...this.#files].filter(([path]) => !path.endsWith(".unreadable"));
    return kept.reduce((sum, [, { bytes }]) => sum + bytes.length, 0);
  }

  /** Of what was not synced, any beginning is left. */
  losePower(): void {
    for (const file of this.#files.values()) {
      const { bytes, synced } = file;
      const lost = bytes.length - synced.length;
      file.bytes = lost > 0
        ? bytes.slice(0, synced.length + Math.floor(this.keptShare() * (lost + 1)))
        : synced;
      file.synced = file.bytes;
    }
  }

  /** The file system of a machine: each call takes a moment; that of a machine which dies meanwhile is not made. */
  filesOf(machine: () => Machine): FileSystem {
    const scheduler = this.#scheduler;
    const later = <T>(label: string, task: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        const run = (): void => {
          try {
            resolve(task());
          } catch (error) {
            reject(error);
          }
        };
        const ms = 0.05 + scheduler.random() ** 8 * 40;
        scheduler.after(ms, run, { owner: machine(), label: `disk: ${label}` });
      });
    const handleOf = (file: File): FileHandle => {
      const handle = {
        appendFile: (data: Uint8Array) => {
          this.onAppend(machine());
          return later("append", () => this.#append(file, data));
        },
        datasync: () => later("sync", () => void (file.synced = file.bytes)),
        truncate: (length: number) =>
          later("truncate", () => void (file.bytes = file.bytes.slice(0, length))),
        readFile: () => later("read", () => Buffer.from(file.bytes)),
        stat: () => later("stat", () => ({ ...ownFile, size: file.bytes.length })),
        chmod: () => later("chmod", () => {}),
        close: () => later("close", () => {}),
      };
      return handle as unknown as FileHandle;
    };
    const open = (path: string): Promise<FileHandle> =>
      later("open", () => {
        const file = this.#files.get(path) ?? { bytes: new Uint8Array(), synced: new Uint8Array() };
        this.#files.set(path, file);
        return handleOf(file);
      });
    const mkdir = (): Promise<undefined> => later("mkdir", () => undefined);
    const lstat = (): Promise<unknown> => later("lstat", () => ({ isSymbolicLink: () => false }));
    return { open, mkdir, lstat } as unknown as FileSystem;
  }

  #append(file: File, data: Uint8Array): void {
    const isFull = this.#scheduler.now < this.fullUntil;
    const taken = isFull ? data.slice(0, Math.floor(this.#scheduler.random() * data.length)) : data;
    file.bytes = Buffer.concat([file.bytes, taken]);
    if (isFull) {
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    }
  }
}
