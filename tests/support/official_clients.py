"""The official clients, each asked for the same things in its own way: words, a loop of tools, an answer of a form."""

from __future__ import annotations

from typing import Any

import orjson
from anthropic import Anthropic
from google import genai
from google.genai import types
from openai import OpenAI
from pydantic import BaseModel

from tests.support.bedrock_script import gathered

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
RESULT = "Sunny, 21 degrees."


class City(BaseModel):
    city: str


def _dumped(parsed: City | None) -> dict[str, Any]:
    assert parsed is not None
    return parsed.model_dump()


class Turned:
    """What a client made of the first answer of a loop, and of the second."""

    def __init__(self, words: str, thought: str, calls: list[Any], last: str, tokens: tuple[int, int]) -> None:
        self.words, self.thought, self.calls, self.last, self.tokens = words, thought, calls, last, tokens


class Chat:
    """OpenAI's client and chat."""

    dialect = "openai_chat"

    def __init__(self, client: OpenAI) -> None:
        self._client = client
        function = {"name": "weather", "parameters": SCHEMA}
        self._tools: Any = [{"type": "function", "function": function}]

    def say(self, model: str, stream: bool) -> str:
        return self._ask(model, [{"role": "user", "content": "hi"}], stream).choices[0].message.content

    def loop(self, model: str, stream: bool) -> Turned:
        turns: list[Any] = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "weather?"}]
        first = self._ask(model, turns, stream, tools=self._tools, reasoning_effort="low")
        message = first.choices[0].message
        calls = message.tool_calls
        turns.append(
            {"role": "assistant", "content": message.content, "tool_calls": [each.to_dict() for each in calls]}
        )
        turns += [{"role": "tool", "tool_call_id": each.id, "content": RESULT} for each in calls]
        last = self._ask(model, turns, stream, tools=self._tools)
        usage = first.usage
        return Turned(
            message.content,
            message.model_extra.get("reasoning_content") or "",
            [orjson.loads(each.function.arguments) for each in calls],
            last.choices[0].message.content,
            (usage.prompt_tokens, usage.completion_tokens),
        )

    def form(self, model: str, stream: bool) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": "?"}],
            "response_format": City,
        }
        if not stream:
            return _dumped(self._client.chat.completions.parse(**asked).choices[0].message.parsed)
        with self._client.chat.completions.stream(**asked) as got:
            return _dumped(got.get_final_completion().choices[0].message.parsed)

    def _ask(self, model: str, turns: Any, stream: bool, **more: Any) -> Any:
        chat = self._client.chat.completions
        if not stream:
            return chat.create(model=model, messages=turns, **more)
        with chat.stream(model=model, messages=turns, stream_options={"include_usage": True}, **more) as got:
            return got.get_final_completion()


class Responses:
    """OpenAI's client and Responses."""

    dialect = "openai_responses"

    def __init__(self, client: OpenAI) -> None:
        self._client = client
        self._tools: Any = [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": True}]

    def say(self, model: str, stream: bool) -> str:
        return self._ask(model, "hi", stream).output_text

    def loop(self, model: str, stream: bool) -> Turned:
        turns: list[Any] = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "weather?"}]
        more: dict[str, Any] = {"tools": self._tools, "store": False}
        first = self._ask(model, turns, stream, reasoning={"effort": "low", "summary": "auto"}, **more)
        calls = [item for item in first.output if item.type == "function_call"]
        thoughts = [
            part.text
            for item in first.output
            if item.type == "reasoning"
            for part in (*item.summary, *(item.content or ()))
        ]
        # A client sends back what it got, thoughts included.
        turns += [item.to_dict() for item in first.output]
        for item in turns:
            item.pop("parsed_arguments", None)
            for part in item["content"] if isinstance(item.get("content"), list) else ():
                part.pop("parsed", None)
        turns += [{"type": "function_call_output", "call_id": each.call_id, "output": RESULT} for each in calls]
        last = self._ask(model, turns, stream, **more)
        return Turned(
            first.output_text,
            "".join(thoughts),
            [orjson.loads(each.arguments) for each in calls],
            last.output_text,
            (first.usage.input_tokens, first.usage.output_tokens),
        )

    def form(self, model: str, stream: bool) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": model, "input": "?", "text_format": City}
        if not stream:
            return _dumped(self._client.responses.parse(**asked).output_parsed)
        with self._client.responses.stream(**asked) as got:
            return _dumped(got.get_final_response().output_parsed)

    def _ask(self, model: str, turns: Any, stream: bool, **more: Any) -> Any:
        if not stream:
            return self._client.responses.create(model=model, input=turns, **more)
        with self._client.responses.stream(model=model, input=turns, **more) as got:
            return got.get_final_response()


class Messages:
    """Anthropic's client."""

    dialect = "anthropic_messages"

    def __init__(self, client: Anthropic) -> None:
        self._client = client
        self._tools: Any = [{"name": "weather", "input_schema": SCHEMA}]

    def say(self, model: str, stream: bool) -> str:
        return self._ask(model, [{"role": "user", "content": "hi"}], stream).content[0].text

    def loop(self, model: str, stream: bool) -> Turned:
        turns: list[Any] = [{"role": "user", "content": "weather?"}]
        more: dict[str, Any] = {"tools": self._tools, "system": "Be kind."}
        first = self._ask(model, turns, stream, thinking={"type": "enabled", "budget_tokens": 1024}, **more)
        by_kind: dict[str, list[Any]] = {"text": [], "thinking": [], "tool_use": []}
        for block in first.content:
            by_kind[block.type].append(block)
        calls = by_kind["tool_use"]
        results = [{"type": "tool_result", "tool_use_id": each.id, "content": RESULT} for each in calls]
        turns += [{"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        last = self._ask(model, turns, stream, **more)
        usage = first.usage
        return Turned(
            "".join(each.text for each in by_kind["text"]),
            "".join(each.thinking for each in by_kind["thinking"]),
            [each.input for each in calls],
            last.content[0].text,
            (usage.input_tokens + (usage.cache_read_input_tokens or 0), usage.output_tokens),
        )

    def form(self, model: str, stream: bool) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": "?"}]}
        if not stream:
            return _dumped(self._client.messages.parse(**asked, output_format=City).parsed_output)
        with self._client.messages.stream(**asked, output_format=City) as got:
            return _dumped(got.get_final_message().parsed_output)

    def _ask(self, model: str, turns: Any, stream: bool, **more: Any) -> Any:
        asked = {"model": model, "max_tokens": 4096, "messages": turns, **more}
        if not stream:
            return self._client.messages.create(**asked)
        with self._client.messages.stream(**asked) as got:
            return got.get_final_message()


class Generate:
    """Google's client, which leaves adding up to its callers."""

    dialect = "gemini"

    def __init__(self, client: genai.Client) -> None:
        self._client = client
        declared = types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)
        self._config: dict[str, Any] = {
            "tools": [types.Tool(function_declarations=[declared])],
            "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
            "system_instruction": "Be kind.",
        }

    def say(self, model: str, stream: bool) -> str:
        return "".join(part.text or "" for part in self._ask(model, "hi", stream)[0])

    def loop(self, model: str, stream: bool) -> Turned:
        turns: list[Any] = [types.Content(role="user", parts=[types.Part(text="weather?")])]
        thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
        parts, usage = self._ask(model, turns, stream, thinking_config=thinking, **self._config)
        calls = [part.function_call for part in parts if part.function_call]
        results = [
            types.Part(
                function_response=types.FunctionResponse(id=each.id, name=each.name, response={"result": RESULT})
            )
            for each in calls
        ]
        turns += [types.Content(role="model", parts=parts), types.Content(role="user", parts=results)]
        last, _ = self._ask(model, turns, stream, **self._config)
        return Turned(
            "".join(part.text for part in parts if part.text and not part.thought),
            "".join(part.text for part in parts if part.text and part.thought),
            [each.args for each in calls],
            "".join(part.text or "" for part in last),
            (usage.prompt_token_count, usage.candidates_token_count + (usage.thoughts_token_count or 0)),
        )

    def form(self, model: str, stream: bool) -> dict[str, Any]:
        config = {"response_mime_type": "application/json", "response_json_schema": SCHEMA}
        parts, _ = self._ask(model, "?", stream, **config)
        return orjson.loads("".join(part.text or "" for part in parts))

    def _ask(self, model: str, turns: Any, stream: bool, **config: Any) -> tuple[list[Any], Any]:
        models, asked = self._client.models, {"model": model, "contents": turns, "config": config}
        answers = list(models.generate_content_stream(**asked)) if stream else [models.generate_content(**asked)]
        parts = [part for each in answers for part in self._parts(each)]
        return parts, answers[-1].usage_metadata

    @staticmethod
    def _parts(answer: Any) -> list[Any]:
        content = answer.candidates[0].content
        return [] if content is None else content.parts or []


class Converse:
    """Amazon's client, which leaves adding up to its callers."""

    dialect = "bedrock_converse"

    def __init__(self, client: Any) -> None:
        self._client = client
        spec = {"name": "weather", "inputSchema": {"json": SCHEMA}}
        self._more: dict[str, Any] = {
            "toolConfig": {"tools": [{"toolSpec": spec}]},
            "system": [{"text": "Be kind."}],
        }

    def say(self, model: str, stream: bool) -> str:
        return self._ask(model, [_said("hi")], stream)["content"][0]["text"]

    def loop(self, model: str, stream: bool) -> Turned:
        turns: list[Any] = [_said("weather?")]
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        first = self._ask(model, turns, stream, additionalModelRequestFields=thinking, **self._more)
        content = first["content"]
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        results: list[Any] = [
            {"toolResult": {"toolUseId": each["toolUseId"], "content": [{"text": RESULT}]}} for each in calls
        ]
        turns += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
        last = self._ask(model, turns, stream, **self._more)
        usage = first["usage"]
        thoughts = [block["reasoningContent"]["reasoningText"] for block in content if "reasoningContent" in block]
        return Turned(
            "".join(block.get("text", "") for block in content),
            "".join(each["text"] for each in thoughts),
            [each["input"] for each in calls],
            last["content"][0]["text"],
            (usage["inputTokens"] + usage.get("cacheReadInputTokens", 0), usage["outputTokens"]),
        )

    def form(self, model: str, stream: bool) -> dict[str, Any]:
        schema = {"name": "city", "schema": orjson.dumps(SCHEMA).decode()}
        wanted = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
        return orjson.loads(self._ask(model, [_said("?")], stream, outputConfig=wanted)["content"][0]["text"])

    def _ask(self, model: str, turns: Any, stream: bool, **more: Any) -> dict[str, Any]:
        asked = {"modelId": model, "messages": turns, "inferenceConfig": {"maxTokens": 4096}, **more}
        if stream:
            return gathered(self._client.converse_stream(**asked)["stream"])
        told = self._client.converse(**asked)
        return {**told["output"]["message"], "usage": told["usage"]}


def _said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": text}]}


Client = Chat | Responses | Messages | Generate | Converse
