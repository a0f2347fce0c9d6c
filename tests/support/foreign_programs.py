"""Programs of the official client that know nothing of a gateway, each run in a process of its own."""

from __future__ import annotations

OPENAI = """
import sys, openai
client = openai.OpenAI(base_url=sys.argv[1], api_key="sk-of-the-program", max_retries=0)
def ask(words, **more):
    said = [{"role": "user", "content": words}]
    return client.chat.completions.create(model="gpt-4o-mini", messages=said, **more)
print(ask("hello").choices[0].message.content)
print("".join(event.choices[0].delta.content or "" for event in ask("hello", stream=True) if event.choices))
try:
    ask("an osprey")
except openai.BadRequestError as error:
    print(error.code)
"""

# The same by HTTP/2, twenty calls at once on one connection.
STREAMS = """
import asyncio, sys, openai
async def main():
    http = openai.DefaultAsyncHttpxClient(http2=True)
    known = {"base_url": sys.argv[1], "api_key": "sk-of-the-program", "max_retries": 0}
    async with openai.AsyncOpenAI(http_client=http, **known) as client:
        async def ask(words, **more):
            said = [{"role": "user", "content": words}]
            return await client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=said, **more)
        first = await ask("hello")
        print(first.http_response.http_version, first.parse().choices[0].message.content)
        many = await asyncio.gather(*[ask("hello") for _ in range(20)])
        print(len({answer.headers["x-weighbridge-id"] for answer in many}))
        got = (await ask("hello", stream=True)).parse()
        print("".join([event.choices[0].delta.content or "" async for event in got if event.choices]))
        try:
            await ask("an osprey")
        except openai.BadRequestError as error:
            print(error.code)
        print((await ask("a" * 300_000)).parse().choices[0].message.content)
asyncio.run(main())
"""
