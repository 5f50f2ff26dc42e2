/** Patience: all is well once the table is as it has to be. */
import type { Difference, Scene } from "./scene.ts";
import { pause, within } from "./traffic.ts";

/** Waits until the table is as it has to be; gives what is still different when the time is over. */
export async function recovered(scene: Scene, withinMs: number = 60_000): Promise<Difference[]> {
  let differences: Difference[] = [];
  await within(withinMs, async () => {
    await pause(50);
    if (scene.server.pendingUpdates > 0) return false;
    differences = await scene.differences();
    return differences.length === 0;
  });
  return scene.server.pendingUpdates > 0 ? await scene.differences() : differences;
}
