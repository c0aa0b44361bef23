"""A peer made of autobahn-python, driven by a test.

peer.cjs describes the language the two speak. Binary travels as
{"$bytes": base64}; the other special forms are JavaScript's.
"""

import asyncio
import base64
import json
import sys
import threading

from autobahn.asyncio.rawsocket import WampRawSocketClientFactory
from autobahn.asyncio.wamp import ApplicationRunner, ApplicationSession
from autobahn.wamp import exception, serializer, types
from autobahn.wamp.auth import create_authenticator

SERIALIZERS = {
    "json": serializer.JsonSerializer,
    "msgpack": serializer.MsgPackSerializer,
    "cbor": serializer.CBORSerializer,
}
UNIX = "rs://unix:"


def make_serializer(name):
    name, _, batched = name.partition(".")
    return SERIALIZERS[name](batched=batched == "batched")


def from_test(v):
    if isinstance(v, list):
        return [from_test(e) for e in v]
    if not isinstance(v, dict):
        return v
    if "$bytes" in v:
        return base64.b64decode(v["$bytes"])
    return {k: from_test(e) for k, e in v.items()}


def to_test(v):
    if getattr(v, "tag", None) == 64:  # a Uint8Array in CBOR (RFC 8746)
        v = v.value
    if isinstance(v, bytes):
        return {"$bytes": base64.b64encode(v).decode()}
    if isinstance(v, (list, tuple)):
        return [to_test(e) for e in v]
    if isinstance(v, dict):
        return {k: to_test(e) for k, e in v.items()}
    return v


def say(**line):
    sys.stdout.write(json.dumps(to_test(line)) + "\n")
    sys.stdout.flush()


def result(r):
    if isinstance(r, types.CallResult):
        return {"args": list(r.results), "kwargs": r.kwresults}
    return {"args": [] if r is None else [r], "kwargs": {}}


def payload(r):
    return types.CallResult(*r["args"], **r["kwargs"])


class Kinds:
    """The procedures a test can register."""

    def __init__(self):
        self.hung = []

    def echo(self, uri):
        def run(*args, **kwargs):
            return types.CallResult(*args, **kwargs)

        return run

    def error(self, uri):
        def run(error, *args, **kwargs):
            raise exception.ApplicationError(error, *args, **kwargs)

        return run

    def crash(self, uri):
        def run():
            raise RuntimeError("crashed")

        return run

    def constant(self, uri, value):
        return lambda: value

    def tell(self, uri):
        """Answers with what the client says about the call."""

        def run(details):
            return types.CallResult(procedure=details.procedure, caller=details.caller or 0)

        return run

    upload = echo  # the client does not know chunks

    def progress(self, uri):
        def run(n, details):
            for i in range(1, n if details.progress else 0):
                details.progress(i, of=n)
            return "done"

        return run

    def hang(self, uri):
        async def run(*args, **kwargs):
            answer = asyncio.get_running_loop().create_future()
            self.hung.append(answer)
            say(event="invoked", uri=uri, args=args, kwargs=kwargs)
            try:
                return await answer
            except asyncio.CancelledError:
                say(event="canceled", uri=uri)
                raise exception.ApplicationError("wamp.error.canceled") from None

        return run

    def answer(self):
        for f in self.hung:
            if not f.done():
                f.set_result("late")


SECRETS = {"ticket": "ticket", "wampcra": "secret", "cryptosign": "privkey", "scram": "password"}


def login(auth):
    """Returns the library's authenticator for {method, authid, secret, role}."""
    arguments = {k: auth[v] for k, v in (("authid", "authid"), ("authrole", "role")) if v in auth}
    arguments[SECRETS[auth["method"]]] = auth["secret"]
    return create_authenticator(auth["method"], **arguments)


class Session(ApplicationSession):
    """Tells the driver what becomes of the session."""

    def onConnect(self):
        auth = self.config.extra.get("auth")
        self.authenticator = login(auth) if auth else None
        if not auth:
            return super().onConnect()
        self.join(
            self.config.realm,
            authmethods=[auth["method"]],
            authid=auth.get("authid"),
            authrole=auth.get("role"),
            authextra=self.authenticator.authextra,
        )

    def onChallenge(self, challenge):
        return self.authenticator.on_challenge(self, challenge)

    def onWelcome(self, msg):
        if self.authenticator:
            return self.authenticator.on_welcome(self, msg.authextra)

    def onJoin(self, details):
        self.config.extra["joined"].set_result((self, details))

    def onLeave(self, details):
        joined = self.config.extra["joined"]
        if not joined.done():
            joined.set_exception(exception.ApplicationError(details.reason, details.message))
        say(event="left", uri=details.reason)
        self.disconnect()

    def onDisconnect(self):
        say(event="closed")

    def onUserError(self, fail, msg):
        pass  # what a procedure raises is meant to be raised


def trace():
    """Reports every message that the client sends from now on."""
    serialize = serializer.Serializer.serialize

    def report(self, msg):
        say(event="sent", message=msg.marshal())
        return serialize(self, msg)

    serializer.Serializer.serialize = report


class Driver:
    """Carries out the test's commands."""

    def __init__(self):
        self.kinds = Kinds()
        self.session = None
        self.calls = {}
        self.registered = {}

    async def join(self, c):
        loop = asyncio.get_running_loop()
        joined = loop.create_future()
        extra, codec = {"joined": joined, "auth": c.get("auth")}, make_serializer(c["serializer"])
        if c["url"].startswith(UNIX):  # which the runner takes for a host
            session = Session(types.ComponentConfig(c["realm"], extra))
            factory = WampRawSocketClientFactory(lambda: session, serializer=codec)
            await loop.create_unix_connection(factory, c["url"].removeprefix(UNIX))
        else:
            runner = ApplicationRunner(c["url"], c["realm"], extra=extra, serializers=[codec])
            await runner.run(Session, start_loop=False, log_level="critical")
        self.session, details = await joined
        return {"session": details.session, "details": {"authid": details.authid, "authrole": details.authrole}}

    async def register(self, c):
        options = dict(c.get("options") or {})
        if c["kind"] in ("progress", "tell"):
            options["details_arg"] = "details"
        kind = getattr(self.kinds, c["kind"])
        run = kind(c["uri"], c["value"]) if "value" in c else kind(c["uri"])
        self.registered[c["uri"]] = await self.session.register(
            run, c["uri"], options=types.RegisterOptions(**options) if options else None
        )

    async def unregister(self, c):
        await self.registered[c["uri"]].unregister()

    async def call(self, c):
        options = dict(c.get("options") or {})
        if c.get("progress"):
            options["on_progress"] = lambda *a, **k: say(id=c["id"], progress={"args": a, "kwargs": k})
        answer = self.session.call(
            c["uri"], *c.get("args", []), **c.get("kwargs", {}), options=types.CallOptions(**options)
        )
        self.calls[c["id"]] = answer
        return result(await answer)

    async def stream(self, c):
        raise TypeError("it has no progressive calls")

    async def cancel(self, c):
        if c.get("mode"):
            raise TypeError("it cannot name a mode")
        self.calls[c["call"]].cancel()

    async def subscribe(self, c):
        def heard(*args, details=None, **kwargs):
            say(event="heard", uri=c["uri"], details={"topic": details.topic}, args=args, kwargs=kwargs)

        options = types.SubscribeOptions(**(c.get("options") or {}), details=True)
        await self.session.subscribe(heard, c["uri"], options=options)

    async def answer(self, c):
        self.kinds.answer()

    async def leave(self, c):
        self.session.leave()

    async def obey(self, c):
        if c.get("trace"):
            trace()
        try:
            ok = await getattr(self, c["do"])(c)
            say(id=c["id"], ok=ok)
        except exception.ApplicationError as e:
            say(id=c["id"], error={"uri": e.error, "args": e.args, "kwargs": e.kwargs})
        except asyncio.CancelledError:
            say(id=c["id"], error={"uri": "wamp.error.canceled", "args": [], "kwargs": {}})
        except Exception as e:
            text = "it refuses the option" if isinstance(e, AssertionError) else str(e) or repr(e)
            say(id=c["id"], error={"uri": "", "args": [], "kwargs": {}, "text": text})


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: say(event="fault", text=str(context)))
    lines = asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    driver, tasks = Driver(), set()
    while (line := await lines.get()) is not None:
        task = loop.create_task(driver.obey(from_test(json.loads(line))))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
