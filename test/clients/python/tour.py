"""Lists what a server has and calls one tool, with the official Python SDK 1.x: tour.py URL TOOL ARGUMENTS."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url, tool, arguments):
    async with streamable_http_client(url) as (read, write, *_), ClientSession(read, write) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        prompts = (await session.list_prompts()).prompts
        resources = (await session.list_resources()).resources
        result = await session.call_tool(tool, json.loads(arguments))
        print(
            json.dumps(
                {
                    "tools": [one.name for one in tools],
                    "prompts": [one.name for one in prompts],
                    "resources": [str(one.uri) for one in resources],
                    "text": result.content[0].text,
                }
            )
        )


asyncio.run(main(*sys.argv[1:]))
