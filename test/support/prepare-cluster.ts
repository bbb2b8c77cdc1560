import { describeServer } from "./postgres.ts";

const [databaseDir = ""] = process.argv.slice(2);
await describeServer({ databaseDir }).initialise();
