/**
 * The colours of the themes. Gain is blue and loss is orange, which colour-blind people tell apart; and nothing is told by
 * colour alone: rising candles are hollow, every line has its name.
 */
import type { Theme } from "./options.ts";

export interface Colours {
  readonly background: string;
  readonly grid: string;
  readonly text: string;
  /** Text that matters less. */
  readonly muted: string;
  readonly rising: string;
  readonly falling: string;
  /** The entry's line and label. */
  readonly entry: string;
  /** Text on a filled label. */
  readonly onFill: string;
  readonly bollinger: string;
  readonly vwap: string;
}

export const themes: Readonly<Record<Theme, Colours>> = {
  light: {
    background: "#ffffff",
    grid: "#e9edf1",
    text: "#15202b",
    muted: "#5b6875",
    rising: "#0a6ebd",
    falling: "#c9510c",
    entry: "#27333f",
    onFill: "#ffffff",
    bollinger: "#7a7f9a",
    vwap: "#8a4fa3",
  },
  dark: {
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
  },
};
