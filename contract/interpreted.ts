// To be imported before any schema. A run uses each schema a few times: compiling it first takes longer than that saves.
import { z } from "zod";

z.config({ jitless: true });
