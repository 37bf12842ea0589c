"""fastmcp: fast.py ENDPOINT URL TOKEN auto|legacy."""

import asyncio
import sys
from contextlib import asynccontextmanager

import mcp_types as types
from checks import ANSWERS, URI, main
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport


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

    async def on_log(self, message):
        self.logs.append(message.data if isinstance(message.data, str) else message.data.get("msg"))

    async def tools(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, name, arguments, on_progress=None):
        async def progress(done, total, message):
            on_progress(done)

        result = await self.client.call_tool(
            name, arguments, raise_on_error=False, progress_handler=progress if on_progress else None
        )
        content = [block.model_dump(mode="json", by_alias=True) for block in result.content]
        return {"content": content, "structuredContent": result.structured_content, "isError": result.is_error}

    async def cancel(self, task):
        task.cancel()

    async def log_everything(self):
        # It asks for every message by itself where the level goes with each request.
        if self.version < "2026":
            await self.client.set_logging_level("debug")

    async def resources(self):
        return [str(one.uri) for one in await self.client.list_resources()]

    async def read(self, uri):
        return (await self.client.read_resource(uri))[0].text

    async def subscribe(self, uri):
        if self.version < "2026":
            await self.client.session.subscribe_resource(uri)

    async def prompts(self):
        return [one.name for one in await self.client.list_prompts()]

    async def prompt(self, name, arguments):
        return (await self.client.get_prompt(name, arguments)).messages[0].content.text

    async def complete(self, prompt, argument, value):
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        return (await self.client.complete(reference, {"name": argument, "value": value})).values


async def elicit(message, response_type, params, context):
    return response_type(name=ANSWERS["name"])


async def sample(messages, params, context):
    return ANSWERS["model"]


@asynccontextmanager
async def connected(endpoint, url, token):
    adapter = Adapter()
    transport = (SSETransport if endpoint == "sse" else StreamableHttpTransport)(url, auth=token)
    adapter.client = Client(
        transport,
        mode=sys.argv[4],
        elicitation_handler=elicit,
        sampling_handler=sample,
        roots=[ANSWERS["root"]],
        log_handler=adapter.on_log,
        message_handler=adapter.on_message,
    )
    async with adapter.client:
        adapter.version = adapter.client.protocol_version
        listener = None
        if adapter.version >= "2026":
            from mcp.client.subscriptions import listen

            listening = asyncio.Event()

            async def follow():
                async with listen(
                    adapter.client.session, tools_list_changed=True, resource_subscriptions=[URI]
                ) as events:
                    listening.set()
                    async for event in events:
                        adapter.note(event)

            listener = asyncio.create_task(follow())
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
