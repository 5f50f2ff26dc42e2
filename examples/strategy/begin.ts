/** The scheduler's first import. */
import { beginBotScript } from "../../cli/begin.ts";
import { help } from "./help.ts";

beginBotScript(help);
