/** Makes this process look like Deno's Jupyter kernel; on Node there is no Deno either. */
export function playKernel(): void {
  const world = globalThis as { Deno?: { jupyter?: object } };
  if (world.Deno === undefined) world.Deno = { jupyter: {} };
  else world.Deno.jupyter = {};
}
