/** Where the toolkit speaks: one line for what a person would want to know, nothing for the rest. */
export interface Logger {
  /** What a person may want to know. */
  info(message: string): void;
  /** What went wrong and mends itself. */
  warn(message: string): void;
  /** What somebody has to look at. */
  error(message: string): void;
}

/** Information on standard output, warnings and errors on standard error, each as one plain line. */
export const consoleLogger: Logger = {
  info: (message) => console.log(message),
  warn: (message) => console.warn(message),
  error: (message) => console.error(message),
};
