// Ends with 0 where Berth answers inside this container: the image's HEALTHCHECK.
const { PORT = "8080", TLS_CERT_FILE } = process.env;
const { get } = await import(TLS_CERT_FILE ? "node:https" : "node:http");

// The certificate is for the name that the outside uses.
get({ host: "127.0.0.1", port: PORT, path: "/healthz", rejectUnauthorized: false }, ({ statusCode }) => {
  process.exit(statusCode === 200 ? 0 : 1);
}).on("error", ({ message }) => {
  process.stderr.write(`${message}\n`);
  process.exit(1);
});
