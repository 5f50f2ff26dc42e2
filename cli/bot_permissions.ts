/** The first import of a script that uses a bot: packages read the environment while they are loaded. */
import { requirePermissions } from "./permissions.ts";

requirePermissions("-P");
