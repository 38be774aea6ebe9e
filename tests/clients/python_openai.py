"""The official OpenAI package for Python: chat, completions, responses, embeddings, models."""
import asyncio

import openai
from common import ASK_TOOL, KEY, MODELS, NARROW_KEY, QUESTION, SCHEMA, URL, cancels, check, finish, raises, upstream

client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
USER = [{"role": "user", "content": QUESTION}]


@check
def whole():
    for model in [*MODELS, "gpt/gpt"]:
        answer = client.chat.completions.create(model=model, messages=USER, seed=7, temperature=0.5)
        assert len(answer.choices[0].message.content) > 20 and answer.usage.total_tokens > 0
        assert answer.choices[0].finish_reason == "stop"


@check
def stream():
    for model in MODELS:
        text, usage = "", None
        for chunk in client.chat.completions.create(model=model, messages=USER, stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
        assert len(text) > 20 and usage.completion_tokens > 0, model
        for chunk in client.chat.completions.create(model=model, messages=USER, stream=True):
            assert chunk.choices, "a chunk without a choice that nobody asked for"


@check
def headers():
    raw = client.chat.completions.with_raw_response.create(model="gpt", messages=USER)
    assert raw.headers["x-llmdeck-instance"] == "gpt" and raw.headers["x-request-id"].startswith("r")


@check
def tools():
    for model in MODELS:
        messages = [{"role": "user", "content": ASK_TOOL}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=[TOOL]).choices[0]
        call = answer.message.tool_calls[0]
        assert answer.finish_reason == "tool_calls" and call.function.name == "get_weather", model
        messages += [answer.message, {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}]
        assert "21 degrees" in client.chat.completions.create(model=model, messages=messages, tools=[TOOL]).choices[0].message.content


@check
def streamed_tools():
    for model in MODELS:
        name, arguments = "", ""
        for chunk in client.chat.completions.create(model=model, messages=[{"role": "user", "content": ASK_TOOL}], tools=[TOOL], stream=True):
            for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
        assert name == "get_weather" and arguments.startswith("{") and arguments.endswith("}"), (model, name, arguments)


@check
def images_and_formats():
    dot = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": dot}}]
    for model in MODELS:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": parts}], response_format={"type": "json_object"})


@check
def completions():
    for model in MODELS:
        assert len(client.completions.create(model=model, prompt=QUESTION).choices[0].text) > 20
        text = "".join(chunk.choices[0].text for chunk in client.completions.create(model=model, prompt=QUESTION, stream=True))
        assert len(text) > 20


@check
def responses():
    for model in MODELS:
        answer = client.responses.create(model=model, input=QUESTION, instructions="Be brief.")
        assert len(answer.output_text) > 20 and answer.status == "completed" and answer.usage.total_tokens > 0
        with client.responses.stream(model=model, input=QUESTION) as events:
            kinds = {event.type for event in events}
            final = events.get_final_response()
        assert {"response.created", "response.output_text.delta", "response.completed"} <= kinds and len(final.output_text) > 20


@check
def responses_with_tools():
    tool = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}
    for model in MODELS:
        first = client.responses.create(model=model, input=ASK_TOOL, tools=[tool])
        call = [item for item in first.output if item.type == "function_call"][0]
        history = [{"role": "user", "content": ASK_TOOL}, *first.output, {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}]
        assert "21 degrees" in client.responses.create(model=model, input=history, tools=[tool]).output_text


@check
def embeddings():
    for model in MODELS:
        answer = client.embeddings.create(model=model, input=["one", "two"], encoding_format="float")
        assert len(answer.data) == 2 and len(answer.data[1].embedding) == 8
        # Without a format the package asks for base64 and decodes it itself.
        assert len(client.embeddings.create(model=model, input="one").data[0].embedding) == 8


@check
def models():
    listed = [model.id for model in client.models.list()]
    assert "auto" in listed and "gpt/gpt" in listed and client.models.retrieve("gpt").id == "gpt"


@check
def errors_have_their_classes():
    ask = lambda model, client=client, **more: client.chat.completions.create(model=model, messages=USER, **more)  # noqa: E731
    raises(openai.AuthenticationError, lambda: ask("gpt", openai.OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0)))
    raises(openai.PermissionDeniedError, lambda: ask("llama", openai.OpenAI(base_url=f"{URL}/v1", api_key=NARROW_KEY, max_retries=0)))
    raises(openai.NotFoundError, lambda: ask("no-such-model"))
    raises(openai.InternalServerError, lambda: ask("broken"))
    crowded = raises(openai.InternalServerError, lambda: ask("crowded"))
    assert crowded.status_code == 503 and int(crowded.response.headers["retry-after"]) >= 1
    raises(openai.BadRequestError, lambda: ask("gpt", stop=7))
    raises(openai.BadRequestError, lambda: ask("llama", n=2))
    limited = raises(openai.RateLimitError, lambda: ask("limited"))
    assert int(limited.response.headers["retry-after"]) >= 1
    long = [{"role": "user", "content": "long " * 500}]
    error = raises(openai.BadRequestError, lambda: client.chat.completions.create(model="brief", messages=long))
    assert error.code == "context_length_exceeded", error.code


@check
def a_sick_instance_is_not_seen():
    before = upstream("bad-half")["requests"]
    for number in range(20):
        if number % 2:
            assert client.chat.completions.create(model="pair", messages=USER).choices[0].finish_reason == "stop"
        else:
            assert len("".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(model="pair", messages=USER, stream=True))) > 20
    assert upstream("bad-half")["requests"] - before <= 6


@check
def reasoning():
    chunks = list(client.chat.completions.create(model="thinker", messages=USER, stream=True))
    assert any(getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks)


@check
def retries_are_the_clients_own():
    before = upstream("limited")["requests"]
    raises(openai.RateLimitError, lambda: client.with_options(max_retries=1).chat.completions.create(model="limited", messages=USER))
    assert upstream("limited")["requests"] - before <= 2


@check
def a_cut_stream_raises():
    def read():
        for _ in client.chat.completions.create(model="cut", messages=USER, stream=True):
            pass
    raises(openai.APIError, read)


@check
def cancelling():
    for create in (
        lambda: client.chat.completions.create(model="slow", messages=USER, stream=True),
        lambda: client.responses.create(model="slow", input=QUESTION, stream=True),
        lambda: client.completions.create(model="slow", prompt=QUESTION, stream=True),
    ):
        with cancels():
            stream = create()
            next(iter(stream))
            stream.close()
    quick = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=0.5)
    with cancels():
        raises(openai.APITimeoutError, lambda: quick.chat.completions.create(model="slow", messages=USER))


@check
def parallel_streams():
    async def main():
        many = openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)

        async def one(number):
            stream = await many.chat.completions.create(model=MODELS[number % 3], messages=USER, stream=True)
            return len("".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]))

        lengths = await asyncio.gather(*(one(number) for number in range(30)))
        assert all(length > 20 for length in lengths), lengths

    asyncio.run(main())


finish()
