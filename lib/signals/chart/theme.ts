/**
 * The colours of the themes. Gain is blue and loss is orange, which colour-blind people tell apart; and nothing is told by
 * colour alone: rising candles are hollow, every line has its name.
 */
import type { Theme } from "./options.ts";

const light = {
  background: "#ffffff",
  grid: "#e9edf1",
  text: "#15202b",
  /** Text that matters less. */
  muted: "#5b6875",
  rising: "#0a6ebd",
  falling: "#c9510c",
  /** The entry's line and label. */
  entry: "#27333f",
  /** Text on a filled label. */
  onFill: "#ffffff",
  bollinger: "#7a7f9a",
  vwap: "#8a4fa3",
};
export type Colours = Readonly<typeof light>;

const dark: Colours = {
  background: "#10171f",
  grid: "#212c38",
  text: "#eef3f8",
  muted: "#9aa8b6",
  rising: "#56b4f0",
  falling: "#f58b45",
  entry: "#e3e9ef",
  onFill: "#10171f",
  bollinger: "#8e96b8",
  vwap: "#c58ad9",
};

export const themes: Readonly<Record<Theme, Colours>> = { light, dark };
