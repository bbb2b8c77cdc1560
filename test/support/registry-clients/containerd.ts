import { type Credential, configDigest, type Operations } from "./operations.ts";
import { IMAGE, type Seat } from "./seat.ts";

/** `ctr`, as far as it goes where nothing may be mounted: it fetches and pushes, and unpacks nothing. */
export const containerd = {
  async push(seat, image) {
    await seat.ctr("images", "import", "--no-unpack", seat.imageArchive);
    await seat.ctr("images", "push", ...options(seat, image), image, IMAGE);
  },
  async pull(seat, image) {
    await fetch(seat, image);
    const { stdout } = await seat.ctr("images", "list", `name==${image}`);
    const digest = /sha256:[0-9a-f]{64}/.exec(stdout)?.[0] ?? "";
    return configDigest((await seat.ctr("content", "get", digest)).stdout);
  },
  async copy(seat, from, to) {
    await fetch(seat, from);
    await seat.ctr("images", "push", ...options(seat, to), to, from);
  },
} satisfies Operations;

const fetch = (seat: Seat, image: string) => seat.ctr("content", "fetch", ...options(seat, image), image);

function options({ credentials }: Seat, image: string): string[] {
  const credential = credentials[image.slice(0, image.indexOf("/"))];
  return ["--plain-http", ...(credential ? credentialOption(credential) : [])];
}

/** It has no file to keep credentials in. */
function credentialOption(credential: Credential): [string, string] {
  return "identityToken" in credential
    ? ["--refresh", credential.identityToken]
    : ["--user", `${credential.username}:${credential.password}`];
}
