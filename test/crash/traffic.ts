/** People talk, without end, whatever the bot is doing. */
import type { Scene } from "./scene.ts";

/** More than these need not wait for a bot that is down: they would only make the test slow. */
const waitingAtMost = 250;

export interface Traffic {
  /** Resolves when the last word is said. */
  stop(): Promise<void>;
}

export function startTraffic(scene: Scene, { everyMs = 12 }: { readonly everyMs?: number } = {}): Traffic {
  let isOver = false;
  const talk = async (): Promise<void> => {
    while (!isOver) {
      if (scene.server.pendingUpdates < waitingAtMost) speak(scene);
      if (scene.random() < 0.02) await scene.othersWrite();
      await pause(scene.random() * 2 * everyMs);
    }
  };
  const talking = talk();
  talking.catch(() => {});
  return {
    async stop() {
      isOver = true;
      await talking;
    },
  };
}

function speak({ town, random }: Scene): void {
  const draw = random();
  if (draw < 0.04) town.burst(40);
  else if (draw < 0.05 && town.mayMigrate) town.moveHouse(random() < 0.5 ? "start" : "stop");
  else town.act();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** True once the condition holds; false if it does not in time. */
export async function within(limitMs: number, condition: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (!await condition()) {
    if (Date.now() > deadline) return false;
    await pause(5);
  }
  return true;
}
