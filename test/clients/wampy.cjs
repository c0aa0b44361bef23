// A peer made of wampy.js, driven by a test; see peer.cjs for the language
// they speak.
"use strict";

const { pathToFileURL } = require("node:url");

const WebSocket = require("ws");
const { Wampy } = require("wampy");
const { JsonSerializer } = require("wampy/JsonSerializer.js");
const { MsgpackSerializer } = require("wampy/MsgpackSerializer.js");
const { CborSerializer } = require("wampy/CborSerializer.js");
const { run, say, traced } = require("./peer.cjs");

const serializers = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer };

let client;
let sockets = []; // every socket the client ever opened, the newest last
const calls = new Map(); // command id → { request, send }
const hung = []; // functions that answer a hung invocation

const fault = ({ errorUri, message, argsList, argsDict }) =>
  Object.assign(new Error(message), { uri: errorUri, args: argsList, kwargs: argsDict });
const result = ({ argsList, argsDict }) => ({ args: argsList ?? [], kwargs: argsDict ?? {} });
const payload = ({ args, kwargs }) => (args || kwargs ? { argsList: args ?? [], argsDict: kwargs } : null);

// kinds are the procedures a test can register.
const kinds = {
  echo: () => ({ argsList, argsDict }) => ({ argsList: argsList ?? [], argsDict }),

  // opaque answers in payload passthru mode, as it was called.
  opaque: () => ({ details, argsList, argsDict }) => {
    const { ppt_scheme, ppt_serializer } = details;
    return { argsList: argsList ?? [], argsDict, options: { ppt_scheme, ppt_serializer } };
  },

  error: () => ({ argsList, argsDict }) => {
    throw { error: argsList[0], argsList: argsList.slice(1), argsDict };
  },

  crash: () => () => {
    throw new Error("crashed");
  },

  silent: () => () => {},

  constant: (uri, value) => () => ({ argsList: [value] }),

  // tell answers with what the client says about the call.
  tell: () => ({ details }) => ({ argsDict: { procedure: details.procedure, caller: details.caller ?? 0 } }),

  progress: () => ({ argsList: [n], result_handler }) => {
    for (let i = 1; i < n; i++) result_handler({ argsList: [i], argsDict: { of: n }, options: { progress: true } });
    return { argsList: ["done"] };
  },

  hang: (uri) => ({ details, argsList, argsDict }) =>
    new Promise((resolve) => {
      hung.push(() => resolve({ argsList: ["late"] }));
      say({ event: "invoked", uri, details, args: argsList ?? [], kwargs: argsDict ?? {} });
    }),

  // upload adds up the numbers of all chunks of a progressive call. wampy runs
  // the handler once a chunk and does not say which call a chunk belongs to.
  upload: () => {
    let sum = 0;
    return ({ details, argsList }) => {
      sum += (argsList ?? []).reduce((a, b) => a + b, 0);
      if (details.progress) return { argsList: [sum], options: { progress: true } };
      const total = sum;
      sum = 0;
      return { argsList: [total] };
    };
  },
};

// login returns the options for a login with { method, authid, secret, role }.
async function login(auth) {
  if (!auth) return {};
  const answers = {
    ticket: async () => () => auth.secret,
    wampcra: async () => (await import(pathToFileURL(require.resolve("wampy/wampcra.js")))).sign(auth.secret),
    cryptosign: async () => require("wampy/cryptosign.js").sign(auth.secret),
  };
  if (!answers[auth.method]) throw new Error("it has no such method");
  return {
    authid: auth.authid,
    authmethods: [auth.method],
    onChallenge: await answers[auth.method](),
    ...(auth.role ? { helloCustomDetails: { authrole: auth.role } } : {}),
  };
}

run({
  async join({ url, realm, serializer, trace, reconnectInterval, auth }) {
    if (!serializers[serializer]) throw new Error("it has no such serializer");
    if (url.startsWith("rs:")) throw new Error("it has no RawSocket");
    const codec = new serializers[serializer]();
    const decode = (data) => codec.decode(typeof data === "string" ? data : new Uint8Array(data));
    const Socket = class extends (trace ? traced(WebSocket, decode) : WebSocket) {
      constructor(...args) {
        super(...args);
        sockets.push(this);
      }
    };
    client = new Wampy(url, {
      realm,
      ...(await login(auth)),
      ws: Socket,
      serializer: codec,
      payloadSerializers: Object.fromEntries(Object.entries(serializers).map(([name, S]) => [name, new S()])),
      reconnectInterval: reconnectInterval ?? 60_000,
      onClose: () => say({ event: "closed" }),
      onReconnect: () => say({ event: "reconnecting" }),
      onReconnectSuccess: (welcome) => say({ event: "rejoined", details: welcome }),
      onError: (e) => say({ event: "error", uri: e?.errorUri ?? "", text: String(e?.message ?? e) }),
    });
    try {
      const details = await client.connect();
      return { session: client.getSessionId(), details };
    } catch (e) {
      throw fault(e);
    }
  },

  async register({ uri, kind, value, options }) {
    try {
      await client.register(uri, kinds[kind](uri, value), options);
    } catch (e) {
      throw fault(e);
    }
  },

  async unregister({ uri }) {
    await client.unregister(uri);
  },

  async call({ id, uri, args, kwargs, options, progress }) {
    const advanced = { ...options };
    if (progress) advanced.progress_callback = (r) => say({ id, progress: result(r) });
    const answer = client.call(uri, payload({ args, kwargs }), advanced);
    calls.set(id, { request: client.getOpStatus().reqId });
    try {
      return result(await answer);
    } catch (e) {
      throw fault(e);
    }
  },

  // stream opens a progressive call; send adds chunks to it.
  async stream({ id, uri, args, kwargs, options, progress }) {
    const advanced = { ...options };
    if (progress) advanced.progress_callback = (r) => say({ id, progress: result(r) });
    const call = client.progressiveCall(uri, payload({ args, kwargs }), advanced);
    calls.set(id, { request: client.getOpStatus().reqId, send: call.sendData });
    try {
      return result(await call.result);
    } catch (e) {
      throw fault(e);
    }
  },

  send({ call, args, kwargs, final }) {
    calls.get(call).send(payload({ args, kwargs }), final ? { progress: false } : {});
  },

  cancel({ call, mode }) {
    client.cancel(calls.get(call).request, mode ? { mode } : undefined);
  },

  // answer lets all hung invocations return.
  answer() {
    hung.splice(0).forEach((f) => f());
  },

  async subscribe({ uri, options }) {
    try {
      const heard = ({ details, argsList, argsDict }) => say({ event: "heard", uri, details, args: argsList ?? [], kwargs: argsDict ?? {} });
      await client.subscribe(uri, heard, options);
    } catch (e) {
      throw fault(e);
    }
  },

  async publish({ uri, args }) {
    try {
      await client.publish(uri, payload({ args }));
    } catch (e) {
      throw fault(e);
    }
  },

  // drop cuts the connection without a word.
  drop() {
    sockets.at(-1).terminate();
  },

  async leave() {
    await client.disconnect();
  },
});
