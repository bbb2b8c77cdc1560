import { timestamp, uuid } from "drizzle-orm/pg-core";

export const id = () => uuid().primaryKey();
export const time = () => timestamp({ withTimezone: true, mode: "date", precision: 3 });
