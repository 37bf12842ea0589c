"""What every Python client is asked to do. One JSON line for each feature: {"feature", "ok", "detail"}.

An adapter has a method for each thing that its library can do; what it lacks is left out.
"""

import asyncio
import json
import os
import sys
import time
import uuid

FEATURE_SECONDS = 12
HEARD_SECONDS = 5
URI = "feature://text"
ANSWERS = {"name": "Zoë", "model": "four", "root": "file:///features"}


class Wrong(Exception):
    """An answer that is not the expected one."""


def same(actual, expected):
    if actual != expected:
        raise Wrong(f"{str(actual)[:200]!r} instead of {str(expected)[:200]!r}")


def text_of(result):
    return result["content"][0]["text"]


def reason_of(error):
    """The message of an error, and of those inside a group of them."""
    inner = getattr(error, "exceptions", None)
    if inner:
        return "; ".join(reason_of(one) for one in inner)
    return f"{type(error).__name__}: {error}"[:400]


def tell(feature, ok, detail=""):
    print(json.dumps({"feature": feature, "ok": ok, "detail": str(detail)[:400]}), flush=True)


async def attempt(feature, run):
    """Runs one check within bounds, tells what came of it, and whether it went well."""
    try:
        detail = await asyncio.wait_for(run(), FEATURE_SECONDS)
        tell(feature, True, detail or "")
        return True
    except (Exception, asyncio.CancelledError) as error:
        tell(feature, False, reason_of(error))
        return False


async def until(what, reached):
    deadline = time.monotonic() + HEARD_SECONDS
    while not await reached():
        if time.monotonic() > deadline:
            raise Wrong(f"waited {HEARD_SECONDS} s for {what}")
        await asyncio.sleep(0.02)


async def failure_of(call):
    """The text with which a call fails, however the library shows it."""
    try:
        result = await call
    except Exception as error:
        return reason_of(error)
    if result.get("isError"):
        return text_of(result)
    raise Wrong(f"answered {str(result)[:200]}")


class Checks:
    def __init__(self, adapter):
        self.adapter = adapter

    async def tools(self):
        names = await self.adapter.tools()
        same("echo" in names and "die" in names, True)

    async def call(self):
        same(text_of(await self.adapter.call("echo", {"text": "hello"})), "hello")

    async def unicode(self):
        words = 'ünï 漢字 😀 \u2028 "q" </script>'
        same(text_of(await self.adapter.call("echo", {"text": words})), words)

    async def structured(self):
        same((await self.adapter.call("sum", {"a": 1, "b": 2}))["structuredContent"], {"sum": 3})

    async def big_result(self):
        same(text_of(await self.adapter.call("big", {})), "é" * 500_000)

    async def parallel(self):
        calls = (self.adapter.call("echo", {"text": f"p{at}"}) for at in range(20))
        same([text_of(result) for result in await asyncio.gather(*calls)], [f"p{at}" for at in range(20)])

    async def tool_error(self):
        message = await failure_of(self.adapter.call("refuse", {}))
        same("refused: bäd" in message, True)
        return message

    async def protocol_error(self):
        message = await failure_of(self.adapter.call("break", {}))
        if "broken: bäd" not in message:
            raise Wrong(message)
        return message

    async def progress(self):
        seen = []
        same(text_of(await self.adapter.call("count", {}, on_progress=seen.append)), "counted")

        async def heard():
            return seen == [1, 2, 3]

        await until(f"three steps, not {seen}", heard)

    async def cancel(self):
        key = str(uuid.uuid4())

        async def is_now(word):
            return text_of(await self.adapter.call("waited", {"key": key})) == word

        task = asyncio.create_task(self.adapter.call("wait", {"key": key}))
        try:
            await until("the call to begin", lambda: is_now("begun"))
            await self.adapter.cancel(task)
            await until("the server to hear of it", lambda: is_now("cancelled"))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def logging(self):
        await self.adapter.log_everything()

        async def heard():
            if "logged: ünï" not in self.adapter.logs:
                await self.adapter.call("log", {})
            return "logged: ünï" in self.adapter.logs

        await until("the log message", heard)

    async def resources(self):
        same(URI in await self.adapter.resources(), True)
        same(await self.adapter.read(URI), "text: ünï")

    async def subscribe(self):
        await self.adapter.subscribe(URI)

        async def heard():
            if URI not in self.adapter.updates:
                await self.adapter.call("touch", {})
            return URI in self.adapter.updates

        await until("the update", heard)

    async def prompts(self):
        same("greet" in await self.adapter.prompts(), True)
        same(await self.adapter.prompt("greet", {"name": "Zoë"}), "Hello Zoë")

    async def completion(self):
        same(await self.adapter.complete("greet", "name", "pa"), ["paris", "parma"])

    async def elicitation(self):
        same(text_of(await self.adapter.call("ask_form", {})), "accept Zoë")

    async def sampling(self):
        same(text_of(await self.adapter.call("ask_model", {})), "four")

    async def roots(self):
        same(text_of(await self.adapter.call("ask_roots", {})), "file:///features")

    async def list_changed(self):
        async def heard():
            if not self.adapter.list_changes:
                await self.adapter.call("grow", {})
            return bool(self.adapter.list_changes)

        await until("the notification", heard)

    async def crash(self):
        """The message of the gateway reaches the user, and the next call of the session works."""
        message = await failure_of(self.adapter.call("die", {}))
        if "exit" not in message:
            raise Wrong(f"no reason in: {message}")
        same(text_of(await self.adapter.call("echo", {"text": "again"})), "again")
        return message


# Last the one that ends the server.
ORDER = [
    "tools", "call", "unicode", "structured", "big_result", "parallel", "tool_error", "protocol_error",
    "progress", "cancel", "logging", "resources", "subscribe", "prompts", "completion", "elicitation",
    "sampling", "roots", "list_changed", "crash",
]  # fmt: skip


async def check(adapter, lacks):
    checks = Checks(adapter)
    skipped = {*lacks, *os.environ.get("SKIPPED", "").split()}
    for feature in ORDER:
        if feature not in skipped:
            await attempt(feature, getattr(checks, feature))


def main(connected, lacks=()):
    """`connected(endpoint, url, token)` gives an async context manager of an adapter with `version`."""
    endpoint, url, token = sys.argv[1:4]

    async def run():
        opened = False
        try:
            async with connected(endpoint, url, token) as adapter:
                opened = True
                tell("initialize", True, adapter.version)
                await check(adapter, lacks)
        except (Exception, asyncio.CancelledError) as error:
            # What goes wrong on the way out is no feature.
            if not opened:
                tell("initialize", False, reason_of(error))

    asyncio.run(run())
