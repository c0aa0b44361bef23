// A peer made of autobahn-js, driven by a test; see peer.cjs for the language
// they speak.
"use strict";

const ws = require("ws");
// autobahn uses the built-in class, which Node has since version 22. That one
// does not throw when nobody listens for its errors.
globalThis.WebSocket ??= class extends ws {
  constructor(...args) {
    super(...args);
    this.on("error", () => {});
  }
};
const autobahn = require("autobahn");
const nacl = require("tweetnacl");
const codecs = require("autobahn/lib/serializer.js");
const { run, say, traced } = require("./peer.cjs");

const serializers = { json: codecs.JSONSerializer, msgpack: codecs.MsgpackSerializer, cbor: codecs.CBORSerializer };

let connection;
let session;
const calls = new Map(); // command id → promise of autobahn
const registered = new Map(); // URI → registration of autobahn
const hung = []; // functions that answer a hung invocation

const fault = (e) => Object.assign(new Error(e?.error ?? String(e)), { uri: e?.error, args: e?.args, kwargs: e?.kwargs });
const result = (r) => {
  if (r instanceof autobahn.Result) return { args: r.args, kwargs: r.kwargs };
  return { args: r === null ? [] : [r], kwargs: {} }; // autobahn hides whether there was a null
};

// kinds are the procedures a test can register.
const kinds = {
  echo: () => (args, kwargs) => new autobahn.Result(args, kwargs),

  error: () => (args, kwargs) => {
    throw new autobahn.Error(args[0], args.slice(1), kwargs);
  },

  crash: () => () => {
    throw "crashed";
  },

  silent: () => () => {},

  constant: (uri, value) => () => value,

  // tell answers with what the client says about the call.
  tell: () => (args, kwargs, details) => new autobahn.Result([], { procedure: details.procedure, caller: details.caller ?? 0 }),

  // upload stands for a procedure that takes chunks; the client has no such thing.
  upload: () => (args, kwargs) => new autobahn.Result(args, kwargs),

  progress: () => ([n], kwargs, details) => {
    for (let i = 1; details.progress && i < n; i++) details.progress([i], { of: n });
    return "done";
  },

  hang: (uri) => (args, kwargs) =>
    new Promise((resolve) => {
      hung.push(() => resolve("late"));
      say({ event: "invoked", uri, args, kwargs });
    }),
};

// transports returns the option for a URL of RawSocket, none for others.
function transports(url) {
  const [, path, host, port] = url.match(/^rs:\/\/(?:unix:(.+)|([^:]+):(\d+))$/) ?? [];
  if (!path && !host) return {};
  return { transports: [{ type: "rawsocket", ...(path ? { path } : { host, port: Number(port) }) }] };
}

// login returns the options for a login with { method, authid, secret, role }.
function login(auth) {
  if (!auth) return {};
  const { auth_cra: cra, auth_cryptosign: cryptosign } = autobahn;
  const key = auth.method === "cryptosign" && nacl.sign.keyPair.fromSeed(Buffer.from(auth.secret, "hex"));
  const answers = {
    ticket: () => auth.secret,
    wampcra: ({ challenge, salt, keylen, iterations }) =>
      cra.sign(salt ? cra.derive_key(auth.secret, salt, iterations, keylen) : auth.secret, challenge),
    cryptosign: (extra) => cryptosign.sign_challenge(key, extra),
  };
  if (!answers[auth.method]) throw new Error("it has no such method");
  return {
    authmethods: [auth.method],
    authid: auth.authid,
    authextra: key ? { pubkey: cryptosign.public_key(key) } : undefined,
    onchallenge: (_, method, extra) => answers[method](extra),
  };
}

run({
  join({ url, realm, serializer, trace, auth }) {
    if (serializer && !serializers[serializer]) throw new Error("it has no such serializer");
    if (url.startsWith("rs:") && serializer !== "json") throw new Error("its RawSocket speaks JSON only");
    const codec = serializer ? new serializers[serializer]() : undefined;
    if (trace) globalThis.WebSocket = traced(globalThis.WebSocket, (data) => codec.unserialize(data));
    connection = new autobahn.Connection({
      url,
      ...transports(url),
      ...login(auth),
      realm,
      serializers: codec && [codec],
      max_retries: 0,
      on_internal_error: (e, text) => say({ event: "internal", text: `${text ?? ""} ${e?.error ?? e}` }),
      on_user_error: () => {}, // what a procedure throws is meant to be thrown
    });
    return new Promise((resolve, reject) => {
      connection.onopen = (s, details) => {
        session = s;
        resolve({ session: s.id, details });
      };
      connection.onclose = (reason, details) => {
        reject(Object.assign(new Error(reason), { uri: details.reason ?? "" }));
        say({ event: "closed", text: reason, uri: details.reason ?? "" });
        return true; // stay closed
      };
      connection.open();
    });
  },

  async register({ uri, kind, value, options }) {
    try {
      registered.set(uri, await session.register(uri, kinds[kind](uri, value), options));
    } catch (e) {
      throw fault(e);
    }
  },

  async unregister({ uri }) {
    await session.unregister(registered.get(uri));
  },

  async call({ id, uri, args, kwargs, options, progress }) {
    const all = progress ? { ...options, receive_progress: true } : options;
    const answer = session.call(uri, args, kwargs, all);
    calls.set(id, answer);
    try {
      return result(await answer.then(undefined, undefined, (r) => say({ id, progress: result(r) })));
    } catch (e) {
      throw fault(e);
    }
  },

  stream() {
    throw new Error("it has no progressive calls");
  },

  cancel({ call, mode }) {
    calls.get(call).cancel(mode ? { mode } : undefined);
  },

  answer() {
    hung.splice(0).forEach((f) => f());
  },

  async subscribe({ uri, options }) {
    try {
      const heard = (args, kwargs, { topic }) => say({ event: "heard", uri, details: { topic }, args, kwargs });
      await session.subscribe(uri, heard, options);
    } catch (e) {
      throw fault(e);
    }
  },

  async publish({ uri, args }) {
    try {
      await session.publish(uri, args, {}, { acknowledge: true });
    } catch (e) {
      throw fault(e);
    }
  },

  leave() {
    connection.close();
  },
});
