/** A bot that broadcasts, to be killed: as a user would write it, but for its clock. */
import { obeyParent } from "./broadcaster_commands.ts";

obeyParent();
