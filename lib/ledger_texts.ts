/** The log's texts on an outage of the ledger. Pure. */

/** Logged once: the cause, and what it means for broadcasts. */
export function ledgerDownText({ message }: Error, path: string | undefined): string {
  const where = path === undefined
    ? "in memory until then (with TELEGRAM_SPOOL_FILE also on disk)"
    : `in memory and in the file ${path} until then`;
  return `${message}\nBroadcasts with a broadcastId are sent all the same: what has been sent is remembered ${where}, and ` +
    `written to the ledger when that can be used again. If another process sends the same broadcastId in this outage, ` +
    `chats get it twice.`;
}

export function ledgerBackText(handedOver: number): string {
  if (handedOver === 0) return "The ledger of broadcasts can be used again.";
  const kept = handedOver === 1
    ? "1 broadcast that was sent without it is"
    : `${handedOver} broadcasts that were sent without it are`;
  return `The ledger of broadcasts can be used again: ${kept} in it now.`;
}

export function conflictText(broadcastId: string): string {
  return `The broadcast "${broadcastId}" was sent by two processes, as the ledger could not be used: some chats may have ` +
    `it twice. The ledger keeps the other process's run, and its report.`;
}

export function ledgerWaitText(broadcastId: string, { message }: Error): string {
  return `The broadcast "${broadcastId}" waits until the ledger can be used. ${message}`;
}

/** Logged at the bot's end: what becomes of ids that the ledger does not have. */
export function ledgerLeftText(ids: readonly string[], path: string | undefined): string {
  const many = ids.length === 1 ? "1 broadcast" : `${ids.length} broadcasts`;
  if (path !== undefined) {
    return `The ledger of broadcasts could not be used until the end: ${many} in the file ${path} will be written to it ` +
      `after the next start.`;
  }
  const shown = ids.slice(0, 20).map((id) => JSON.stringify(id)).join(", ");
  return `The ledger of broadcasts could not be used until the end, and what is in memory ends with the bot: it will not ` +
    `know of ${many} (${shown}${
      ids.length > 20 ? ", …" : ""
    }), so that another call with such an id sends it again. ` +
    `TELEGRAM_SPOOL_FILE keeps them on disk.`;
}
