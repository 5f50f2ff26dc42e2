/** What the scheduler's `--help` prints. */

/** With this seed the first signals come soon after 06:00, long and short: a demonstration need not wait. */
export const defaultSeed = 3547;

/** @param self What the user typed before the arguments. */
export const help = (self: string): string =>
  `Mean reversion; signals go to the bot's subscribers.

  ${self} [OPTIONS]

Markets
  --symbol NAME        an instrument, as the exchange calls it; several times for several (default: BTC-USD)
  --timeframe LENGTH   the length of the candles: 1m, 3m, 5m, 15m or 30m; several times for several (default: 5m)
  --exchange NAME      coinbase, or an exchange of ccxt such as kraken (npm install ccxt), or the address of a server
                       that answers as Coinbase does (default: coinbase)
Without an exchange: in place of --exchange, and not with it
  --replay FILE        candles from a CSV or JSON lines file: time,open,high,low,close,volume
  --interval SECONDS   a demonstration: one synthetic candle every so many seconds, from 06:00 UTC of 5 January 2026 on
                       (default seed: ${defaultSeed}); with --replay the pace of the file, which does not pause otherwise
  --seed N             synthetic candles from this seed; without --interval each comes at its close, in real time

The strategy
  --rules NAME         reentry, or original: the rules of the Python original, for timeframes up to 1d
                       (default: reentry)
  --hours FROM-TO      when signals may come (default: 06:00-17:00)
  --time-zone NAME     whose clocks these are, daylight saving included: Europe/London (default: UTC)
  --bollinger-period N, --bollinger-deviations N
                       candles in the bands, and their distance (default: 20 and 2)
  --vwap-deviations N  the distance of the VWAP's bands (default: 2)
  --atr-period N, --atr-multiple N
                       the stop's distance in average true ranges (default: 14, and 1.5; original: 1.2)
  --reward-risk N      what a trade promises for each unit of its risk: at least 1.5; original: 2.5, exactly
  --similar PERCENT    not a signal whose entry differs by so little from one of the last 24 hours, of the same
                       symbol and direction (default: each is sent; the Python original: 0.05)
The ticket
  --account AMOUNT     the account's value, in the currency of the prices (default: 10000)
  --risk-percent P     percent of the account to lose at the stop (default: 1)
  --currency NAME      that currency (default: the market's, else USD)
  --tick-size STEP, --size-step STEP
                       the smallest steps of prices and amounts (default: the market's, else 0.01 and 0.0001)
  --no-chart           send signals as text only

  --daily-summary TIME a summary of the day at this time, by the clocks of --time-zone (default: none)
  --dry-run [CHAT]     shows signals on the screen alone, without Telegram and DynamoDB; or sends them to this chat
                       alone, such as your own: its id, as manage_chats.ts list shows it
  --yes                sends signals of candles that are no market's without asking
  --verbose            a line for each candle in the hours: what the strategy sees, and why there is no signal
  --signals N          end after N signals that were sent (default: go on)
  --settings FILE      settings from a JSON file: { "symbol": ["BTC-USD", "ETH-USD"], "riskPercent": 0.5 };
                       what is given here, too, beats them, and a market that is given here theirs
  --help

The bot's own settings come from the environment or from .env: TELEGRAM_BOT_TOKEN and so on.
Exit status: 0 after the last signal, the last candle or Ctrl-C; 1 where you said no, or the bot failed; 2 for a mistake
in the arguments, a file or the bot's settings; 130 for a second Ctrl-C.`;
