// The README's tour with nothing but `fetch` and a standard WebSocket, so that it runs in Node and in a browser alike.

const PATIENCE_MS = 10_000;

/** A function that asks the REST API at `api` as somebody, or as nobody; answers with the status as `http`, and the body's fields. */
export function caller(api) {
  return async (person, method, path, body) => {
    const headers = { "Content-Type": "application/json" };
    if (person) headers.Authorization = `Bearer ${person.access_token}`;
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(api + path, { method, headers, signal, body: JSON.stringify(body) });
    return { http: response.status, ...(await response.json()) };
  };
}

/** Two people meet and talk. `names` are new ones; `server` is where, as `http://host:port`. */
export async function tour(server, WebSocket, names) {
  const api = `${server}/api/v1`;

  const call = caller(api);

  /** A socket that keeps what it hears until somebody asks for it. */
  class Socket {
    heard = [];
    waiting = () => {};

    constructor(query, ...protocols) {
      this.socket = new WebSocket(`${api.replace(/^http/, "ws")}/ws${query}`, protocols);
      this.socket.addEventListener("message", ({ data }) => {
        this.heard.push(JSON.parse(data));
        this.waiting();
      });
      this.opened = this.happens("open");
      this.closed = this.happens("close");
    }

    happens(event) {
      return new Promise((resolve) => this.socket.addEventListener(event, resolve, { once: true }));
    }

    async hears(type, isIt = () => true) {
      const deadline = setTimeout(() => this.socket.close(), PATIENCE_MS);
      for (;;) {
        const at = this.heard.findIndex((frame) => frame.type === type && isIt(frame));
        if (at >= 0) {
          clearTimeout(deadline);
          return this.heard.splice(at, 1)[0];
        }
        const more = new Promise((resolve) => (this.waiting = resolve)).then(() => true);
        const goesOn = await Promise.race([more, this.closed.then(() => false)]);
        if (!goesOn) throw new Error(`Waited in vain for ${type}; heard ${JSON.stringify(this.heard)}`);
      }
    }

    /** Carries out a command, and answers with what its ack carries. */
    async does(type, data) {
      const ref = crypto.randomUUID();
      this.socket.send(JSON.stringify({ type, ref, data }));
      return (await this.hears("ack", (frame) => frame.ref === ref)).data;
    }
  }

  // They register, find one another, and have one conversation however often they ask for it.
  const register = (username) => call(null, "POST", "/auth/register", { username, password: "correct horse" });
  const [ada, bob] = [await register(names[0]), await register(names[1])];
  const found = await call(ada, "GET", `/users?q=${names[1].slice(0, -1)}`);
  equal(found.items[0].id, bob.user.id, "Ada finds Bob");
  const chat = await call(ada, "POST", "/conversations", { kind: "direct", participant_ids: [bob.user.id] });
  equal(chat.http, 201, "the conversation is made");
  const again = await call(bob, "POST", "/conversations", { kind: "direct", participant_ids: [ada.user.id] });
  equal([again.http, again.id], [200, chat.id], "the conversation is found");

  // A client that cannot set headers proves who it is by ticket, by subprotocol or by its first frame.
  const { ticket } = await call(bob, "POST", "/auth/ticket");
  const byTicket = new Socket(`?ticket=${ticket}`);
  await byTicket.hears("ready");
  const usedUp = new Socket(`?ticket=${ticket}`);
  usedUp.socket.addEventListener("error", () => {});
  await usedUp.closed;
  equal(usedUp.heard, [], "a ticket is good once");
  const byProtocol = new Socket("", "colloquy.v1", `bearer.${bob.access_token}`);
  await byProtocol.hears("ready");
  equal(byProtocol.socket.protocol, "colloquy.v1", "the subprotocol is agreed on");
  const byFrame = new Socket("");
  await byFrame.opened;
  await byFrame.does("auth", { token: bob.access_token });
  equal((await byFrame.hears("ready")).data.user.id, bob.user.id, "the first frame says who is there");
  const bobs = [byTicket, byProtocol, byFrame];
  const adas = new Socket("", "colloquy.v1", `bearer.${ada.access_token}`);
  await adas.hears("ready");

  // What Ada sends is acknowledged, and each of Bob's sockets hears it once, however often she sends it.
  const draft = { id: crypto.randomUUID(), body: "Mr. Watson, come here. 📞" };
  const sent = await adas.does("message:send", { conversation_id: chat.id, ...draft });
  equal([sent.id, sent.seq, sent.body], [draft.id, 1, draft.body], "the message is committed");
  const retried = await call(ada, "POST", `/conversations/${chat.id}/messages`, draft);
  equal([retried.http, retried.seq], [200, 1], "a retry is answered with the message that is there");
  for (const socket of bobs) {
    const heard = await socket.hears("message:new");
    equal([heard.conversation_id, heard.seq, heard.data], [chat.id, 1, sent], "Bob hears what Ada sent");
    equal((await socket.hears("unread:changed")).data.unread, 1, "Bob has one unread message");
  }

  // Bob reads it, Ada sees that he did, and whoever was away is told the same.
  equal((await byTicket.does("message:read", { conversation_id: chat.id, seq: 1 })).read_seq, 1, "Bob has read it");
  const isBobs = ({ data }) => data.user_id === bob.user.id;
  equal((await adas.hears("message:read", isBobs)).data.seq, 1, "Ada hears that Bob has read it");
  const receipts = await call(ada, "GET", `/conversations/${chat.id}/messages/${draft.id}/receipts`);
  equal([receipts.items[0].user_id, typeof receipts.items[0].read_at], [bob.user.id, "string"], "and when");
  const missed = await call(bob, "POST", "/sync", {});
  equal(missed.conversations[0].messages, [{ ...sent, status: "read" }], "a new device is told all of it");
  const nothing = await adas.does("sync", { cursors: missed.cursors });
  equal(nothing.conversations, [], "nothing was missed since");
  for (const socket of bobs) equal(socket.heard.filter(({ type }) => type === "message:new"), [], "once");

  for (const { socket, closed } of [adas, ...bobs]) {
    socket.close(1000);
    equal((await closed).code, 1000, "a goodbye is answered in kind");
  }
}

function equal(is, should, what) {
  const [said, wanted] = [is, should].map((value) => JSON.stringify(value));
  if (said !== wanted) throw new Error(`${what}: it should be\n${wanted}\nbut is\n${said}`);
}
