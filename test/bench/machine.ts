/** Where and when it was measured. */
import { execFileSync } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";
import process from "node:process";

export interface Machine {
  readonly date: string;
  /** Cores, processor and memory. */
  readonly hardware: string;
  readonly runtimes: string;
}

export function machine(denoProgram: string): Machine {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  const [, deno = "?"] = /^deno (\S+)/.exec(execFileSync(denoProgram, ["--version"], { encoding: "utf8" })) ??
    [];
  return {
    date: new Date().toISOString().slice(0, 10),
    hardware: `${availableParallelism()} cores, ${cpus()[0]?.model ?? "processor unknown"}, ${gigabytes} GB`,
    runtimes: `Node ${process.versions.node}, Deno ${deno}, ${process.platform} ${process.arch}`,
  };
}
