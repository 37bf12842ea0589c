"""The official Python SDK 2.x: sdk2.py ENDPOINT URL TOKEN auto|legacy."""

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import mcp_types as types
from checks import ANSWERS, URI, main
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client


class Adapter:
    def __init__(self):
        self.client = None
        self.version = ""
        self.logs, self.updates, self.list_changes = [], [], []

    async def on_message(self, message):
        self.note(getattr(message, "root", message))

    def note(self, message):
        if type(message).__name__ in ("ResourceUpdatedNotification", "ResourceUpdated"):
            self.updates.append(str(getattr(message, "params", message).uri))
        elif type(message).__name__ in ("ToolListChangedNotification", "ToolsListChanged"):
            self.list_changes.append(message)

    async def on_log(self, params):
        self.logs.append(params.data)

    async def listen(self, listening):
        async with self.client.listen(tools_list_changed=True, resource_subscriptions=[URI]) as events:
            listening.set()
            async for event in events:
                self.note(event)

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, name, arguments, on_progress=None):
        async def progress(done, total, message):
            on_progress(done)

        result = await self.client.call_tool(
            name, arguments, progress_callback=progress if on_progress else None
        )
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def cancel(self, task):
        task.cancel()

    async def log_everything(self):
        if self.version < "2026":
            await self.client.set_logging_level("debug")

    async def resources(self):
        return [str(one.uri) for one in (await self.client.list_resources()).resources]

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0].text

    async def subscribe(self, uri):
        if self.version < "2026":
            await self.client.subscribe_resource(uri)

    async def prompts(self):
        return [one.name for one in (await self.client.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        return (await self.client.get_prompt(name, arguments)).messages[0].content.text

    async def complete(self, prompt, argument, value):
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return (await self.client.complete(reference, {"name": argument, "value": value})).completion.values


async def elicit(context, params):
    return types.ElicitResult(action="accept", content={"name": ANSWERS["name"]})


async def sample(context, params):
    content = types.TextContent(type="text", text=ANSWERS["model"])
    return types.CreateMessageResult(role="assistant", content=content, model="none")


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri=ANSWERS["root"])])


@asynccontextmanager
async def connected(endpoint, url, token):
    headers = {"Authorization": f"Bearer {token}"}
    adapter = Adapter()
    async with AsyncExitStack() as stack:
        if endpoint == "sse":
            transport = sse_client(url, headers=headers)
        else:
            timeout = httpx2.Timeout(30, read=300)
            http = httpx2.AsyncClient(headers=headers, timeout=timeout, follow_redirects=True)
            transport = streamable_http_client(url, http_client=await stack.enter_async_context(http))
        adapter.client = await stack.enter_async_context(
            Client(
                transport,
                mode=sys.argv[4],
                log_level="debug",
                sampling_callback=sample,
                elicitation_callback=elicit,
                list_roots_callback=roots,
                logging_callback=adapter.on_log,
                message_handler=adapter.on_message,
                cache=None,
            )
        )
        adapter.version = adapter.client.protocol_version
        listener = None
        if adapter.version >= "2026":
            listening = asyncio.Event()
            listener = asyncio.create_task(adapter.listen(listening))
            opened = asyncio.create_task(listening.wait())
            await asyncio.wait([listener, opened], timeout=5, return_when=asyncio.FIRST_COMPLETED)
            opened.cancel()
        try:
            yield adapter
        finally:
            if listener:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)


main(connected)
