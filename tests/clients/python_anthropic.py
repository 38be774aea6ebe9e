"""The official Anthropic package for Python: messages."""
import asyncio

import anthropic
from common import ASK_TOOL, KEY, MODELS, NARROW_KEY, QUESTION, SCHEMA, URL, cancels, check, finish, raises

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
USER = [{"role": "user", "content": QUESTION}]
TOOL = {"name": "get_weather", "input_schema": SCHEMA}
MORE = {"max_tokens": 500}


def text_of(message):
    return "".join(block.text for block in message.content if block.type == "text")


@check
def whole():
    for model in MODELS:
        answer = client.messages.create(model=model, messages=USER, system="Be brief.", **MORE)
        assert len(text_of(answer)) > 20 and answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0


@check
def stream():
    for model in MODELS:
        with client.messages.stream(model=model, messages=USER, **MORE) as events:
            text = "".join(events.text_stream)
            final = events.get_final_message()
        assert len(text) > 20 and final.stop_reason == "end_turn" and final.usage.output_tokens > 0, model


@check
def tools():
    for model in MODELS:
        messages = [{"role": "user", "content": ASK_TOOL}]
        with client.messages.stream(model=model, messages=messages, tools=[TOOL], **MORE) as events:
            answer = events.get_final_message()
        call = [block for block in answer.content if block.type == "tool_use"][0]
        assert answer.stop_reason == "tool_use" and call.name == "get_weather" and "city" in call.input, answer
        messages += [
            {"role": "assistant", "content": answer.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}]},
        ]
        assert "21 degrees" in text_of(client.messages.create(model=model, messages=messages, tools=[TOOL], **MORE))


@check
def errors_have_their_classes():
    ask = lambda model, client=client: client.messages.create(model=model, messages=USER, **MORE)  # noqa: E731
    raises(anthropic.AuthenticationError, lambda: ask("gpt", anthropic.Anthropic(base_url=URL, api_key="wrong", max_retries=0)))
    raises(anthropic.PermissionDeniedError, lambda: ask("llama", anthropic.Anthropic(base_url=URL, api_key=NARROW_KEY, max_retries=0)))
    raises(anthropic.NotFoundError, lambda: ask("no-such-model"))
    raises(anthropic.RateLimitError, lambda: ask("limited"))
    raises(anthropic.InternalServerError, lambda: ask("broken"))
    crowded = raises(anthropic._exceptions.ServiceUnavailableError, lambda: ask("crowded"))
    assert crowded.status_code == 503 and int(crowded.response.headers["retry-after"]) >= 1
    raises(anthropic.BadRequestError, lambda: client.messages.create(model="gpt", messages=[], **MORE))


@check
def thinking():
    with client.messages.stream(model="thinker", messages=USER, **MORE) as events:
        kinds = [block.type for block in events.get_final_message().content]
    assert "thinking" in kinds and "text" in kinds, kinds


@check
def a_sick_instance_is_not_seen():
    for _ in range(10):
        assert client.messages.create(model="pair", messages=USER, **MORE).stop_reason == "end_turn"


@check
def models():
    assert "gpt" in [model.id for model in client.models.list()] and client.models.retrieve("gpt").id == "gpt"


@check
def what_is_not_here_is_said():
    raises(anthropic.NotFoundError, lambda: client.messages.count_tokens(model="gpt", messages=USER))


@check
def a_cut_stream_raises():
    def read():
        with client.messages.stream(model="cut", messages=USER, **MORE) as events:
            for _ in events:
                pass
    try:
        read()
    except anthropic.APIError:
        return
    raise AssertionError("a cut stream was taken for a whole one")


@check
def cancelling_and_parallel():
    with cancels():
        with client.messages.stream(model="slow", messages=USER, **MORE) as events:
            next(iter(events.text_stream))

    async def main():
        many = anthropic.AsyncAnthropic(base_url=URL, api_key=KEY, max_retries=0)

        async def one(number):
            async with many.messages.stream(model=MODELS[number % 3], messages=USER, **MORE) as events:
                return len(await events.get_final_text())

        assert all(length > 20 for length in await asyncio.gather(*(one(number) for number in range(20))))

    asyncio.run(main())


finish()
