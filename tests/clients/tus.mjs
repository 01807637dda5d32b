// A stock tus client, cut off in the middle of a file, and another one that goes on where it was.

import { createHash } from "node:crypto";
import tus from "tus-js-client";

import { caller } from "./tour.mjs";

const PATIENCE_MS = 10_000;
const MEBIBYTE = 1024 * 1024;
const api = `${process.env.SERVER}/api/v1`;
const call = caller(api);

const ada = await call(null, "POST", "/auth/register", { username: "ada-tus", password: "correct horse" });
const group = await call(ada, "POST", "/conversations", { kind: "group" });
const file = Buffer.from("All work and no play makes Jack a dull boy.\n".repeat(9 * MEBIBYTE).slice(0, 9 * MEBIBYTE));

/** The offsets from which a client sends are written to `offsets`. `interrupt` sees how much was sent. */
function upload(options, offsets, interrupt = () => {}) {
  return new Promise((resolve, reject) => {
    const client = new tus.Upload(file, {
      headers: { Authorization: `Bearer ${ada.access_token}` },
      metadata: { conversation_id: group.id, filename: "shining.txt", filetype: "text/plain" },
      onBeforeRequest: (request) => {
        if (request.getMethod() === "PATCH") offsets.push(Number(request.getHeader("Upload-Offset")));
      },
      onProgress: (sent) => interrupt(client, sent, resolve),
      onSuccess: () => resolve(client),
      onError: reject,
      ...options,
    });
    client.start();
  });
}

// The connection breaks when half of it is sent. In pieces, for a fast connection would have swallowed all of it by then.
const offsets = [];
const broken = await upload({ endpoint: `${api}/uploads`, chunkSize: 2 * MEBIBYTE }, offsets, (client, sent, resolve) => {
  if (sent > 5 * MEBIBYTE && sent < file.length) client.abort().then(() => resolve(client));
});
const kept = await until("some of it is kept", async () => {
  const headers = { Authorization: `Bearer ${ada.access_token}`, "Tus-Resumable": "1.0.0" };
  const response = await fetch(broken.url, { method: "HEAD", headers });
  return Number(response.headers.get("Upload-Offset"));
});
if (kept >= file.length) throw new Error("it should have been cut off");

// Another client, which knows only where the upload is, in pieces of its own.
const resumed = [];
await upload({ uploadUrl: broken.url, chunkSize: MEBIBYTE }, resumed);
if (resumed[0] < kept || resumed.length < 2) throw new Error(`it should go on from ${kept}, but sent from ${resumed}`);

const attachment = await call(ada, "GET", `/attachments/${broken.url.split("/").pop()}`);
equal([attachment.http, attachment.filename, attachment.size], [200, "shining.txt", file.length], "the attachment");
const url = new URL(attachment.url, process.env.SERVER);
const bytes = Buffer.from(await (await fetch(url)).arrayBuffer());
equal(sha256(bytes), sha256(file), "what comes out is what went in");

// What is ended is gone.
const ended = await upload({ endpoint: `${api}/uploads`, chunkSize: 2 * MEBIBYTE }, [], (client, sent, resolve) => {
  if (sent > MEBIBYTE && sent < file.length) client.abort(true).then(() => resolve(client));
});
const headers = { Authorization: `Bearer ${ada.access_token}`, "Tus-Resumable": "1.0.0" };
equal((await fetch(ended.url, { method: "HEAD", headers })).status, 404, "an upload that was ended");

async function until(what, question) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await question();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function equal(is, should, what) {
  const [said, wanted] = [is, should].map((value) => JSON.stringify(value));
  if (said !== wanted) throw new Error(`${what}: it should be\n${wanted}\nbut is\n${said}`);
}
