/** Where the toolkit speaks: one line for what a person would want to know, nothing for the rest. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Information on standard output, warnings and errors on standard error, each as one plain line. */
export const consoleLogger: Logger = {
  info: (message) => console.log(message),
  warn: (message) => console.warn(message),
  error: (message) => console.error(message),
};
