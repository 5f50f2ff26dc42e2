/** Each row of what may keep a signal from getting out, by its title. */
import { floodRows } from "./flood_rows.ts";
import { outageRows } from "./outage_rows.ts";
import { promiseRows } from "./promise_rows.ts";
import { type Row, strangerRows } from "./stranger_rows.ts";
import { tableRows } from "./table_rows.ts";

export const rows: Readonly<Record<string, Row>> = {
  ...strangerRows,
  ...floodRows,
  ...outageRows,
  ...tableRows,
  ...promiseRows,
};
