import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeOciImage } from "../../demo/oci-image.ts";
import { startContainerd, type TestContainerd } from "../containerd.ts";
import { run } from "../run.ts";
import { type Credential, type Credentials, configDigest } from "./operations.ts";

/** A machine with every client on it and one image, which was never in a registry. */
export interface Machine {
  readonly imageId: string;
  /** A user of the machine, with credentials and nothing else. */
  seat(credentials: Credentials): Promise<Seat>;
  remove(): Promise<void>;
}

export interface Seat {
  readonly credentials: Credentials;
  /** Says where credentials are, to the clients that keep them in a file. */
  readonly environment: Readonly<Record<string, string>>;
  /** podman's and buildah's image storage, as arguments. */
  readonly storage: readonly string[];
  readonly imageId: string;
  readonly imageArchive: string;
  /** A directory of its own. */
  readonly directory: string;
  /** containerd's client, in a namespace of its own. */
  readonly ctr: TestContainerd["ctr"];
}

export async function startMachine(): Promise<Machine> {
  const directory = await mkdtemp(join(tmpdir(), "berth-machine-"));
  const inDirectory = (name: string) => join(directory, name);
  const removeData = () => rm(directory, { recursive: true, force: true });
  const environment = { HOME: directory, XDG_RUNTIME_DIR: directory, TMPDIR: directory };
  // vfs works where overlay does not, and leaves no mount behind.
  const storage = ["--storage-driver=vfs", `--root=${inDirectory("storage")}`, `--runroot=${inDirectory("run")}`];
  const imageArchive = inDirectory("image.tar");
  let seats = 0;
  try {
    await writeOciImage(inDirectory("image"), "hello");
    await run("skopeo", ["copy", `oci:${inDirectory("image")}`, `oci-archive:${imageArchive}:${IMAGE}`], {
      environment,
    });
    const { stdout } = await run("skopeo", ["inspect", "--raw", `oci-archive:${imageArchive}`], { environment });
    const imageId = configDigest(stdout);
    await run("buildah", [...storage, "pull", "--quiet", `oci-archive:${imageArchive}`], { environment });
    const containerd = await startContainerd();

    return {
      imageId,
      async seat(credentials) {
        seats += 1;
        const own = inDirectory(`seat-${seats}`);
        const namespace = `--namespace=seat-${seats}`;
        await mkdir(join(own, "docker"), { recursive: true });
        const file = JSON.stringify({ auths: mapValues(credentials, fileEntry) });
        await Promise.all(["auth.json", "docker/config.json"].map((name) => writeFile(join(own, name), file)));
        return {
          credentials,
          environment: {
            ...environment,
            REGISTRY_AUTH_FILE: join(own, "auth.json"),
            DOCKER_CONFIG: join(own, "docker"),
            // Where it finds no daemon, the Docker CLI does what it can by itself.
            DOCKER_HOST: `unix://${join(own, "no-daemon.sock")}`,
          },
          storage,
          imageId,
          imageArchive,
          directory: own,
          ctr: (...args) => containerd.ctr(namespace, ...args),
        };
      },
      async remove() {
        await containerd.remove();
        await removeData();
      },
    };
  } catch (error) {
    await removeData();
    throw error;
  }
}

/** The name of the image inside its archive. */
export const IMAGE = "localhost/image:1";

/** As `login` leaves it in the file. */
function fileEntry(credential: Credential): Record<string, string> {
  if ("identityToken" in credential) {
    // A token has no user: podman takes this name for that, and the others look at the token first.
    return { auth: encode(`${NO_USER}:`), identitytoken: credential.identityToken };
  }
  return { auth: encode(`${credential.username}:${credential.password}`) };
}

const NO_USER = "00000000-0000-0000-0000-000000000000";

const encode = (text: string) => Buffer.from(text).toString("base64");

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
