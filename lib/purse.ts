/** The Stars of a paid broadcast: what is set aside for a message that may be charged for, and never more than there is. */
export interface Purse {
  /** Whether the next message is to be paid for. */
  take(): boolean;
  /** How many more may be paid for; 0 where nothing is paid for. */
  readonly left: number;
  /** The message was not sent after all. */
  give(wasPaid: boolean): void;
}

/** 0.1 Star a message (Bot API, `allow_paid_broadcast`). */
const messagesPerStar = 10;

/** `atMost` is how many messages may be paid for by now, whatever the budget is. */
export function createPurse(
  isPaid: boolean,
  starBudget: number,
  tally: { paid: number },
  atMost: () => number = () => Infinity,
): Purse {
  const most = starBudget * messagesPerStar;
  return {
    get left() {
      return isPaid ? Math.max(0, most - tally.paid) : 0;
    },
    take() {
      if (!isPaid || tally.paid + 1 > Math.min(most, atMost())) return false;
      tally.paid++;
      return true;
    },
    give(wasPaid) {
      if (wasPaid) tally.paid--;
    },
  };
}
