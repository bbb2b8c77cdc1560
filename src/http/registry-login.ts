import type { Context } from "hono";
import { Secret } from "../domain/secret.ts";
import type { Login } from "../services/authenticate-robot.ts";
import { readBasic } from "./basic.ts";
import type { AppEnv } from "./context.ts";

export interface Unreadable {
  readonly detail: string;
}

/**
 * `undefined` for nobody: no header, or a name and a password that are both empty. A password without a
 * name is how containerd sends an identity token.
 */
export function readBasicLogin(c: Context<AppEnv>): Login | Unreadable | undefined {
  const credential = readBasic(c.req.header("authorization"));
  if (credential.kind === "missing") return undefined;
  if (credential.kind === "unreadable") return { detail: `The credential cannot be read: ${credential.detail}.` };
  const { username, password } = credential;
  if (username === "" && password === "") return undefined;
  return { ...(username !== "" && { username }), password: new Secret(password) };
}

/** A robot token is its own identity token: it says whose it is. */
export function readFormLogin(form: URLSearchParams): Login | Unreadable | undefined {
  const [username, password, refreshToken] = [
    form.get("username") ?? "",
    form.get("password") ?? "",
    form.get("refresh_token") ?? "",
  ];
  switch (form.get("grant_type")) {
    case "password":
      if (!username && !password) return undefined;
      return username ? { username, password: new Secret(password) } : { detail: "The username is missing." };
    case "refresh_token":
      return refreshToken ? { password: new Secret(refreshToken) } : { detail: "The refresh_token is missing." };
    default:
      return { detail: "The grant_type must be password or refresh_token." };
  }
}
