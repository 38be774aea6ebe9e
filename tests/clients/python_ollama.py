"""The official Ollama package for Python: chat, generate, embed, list, show, ps."""
import asyncio

import ollama
from common import ASK_TOOL, KEY, MODELS, QUESTION, SCHEMA, URL, cancels, check, finish, raises

AUTH = {"Authorization": f"Bearer {KEY}"}
client = ollama.Client(host=URL, headers=AUTH)
USER = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": SCHEMA}}


@check
def whole_and_stream():
    for model in MODELS:
        answer = client.chat(model=model, messages=USER, options={"temperature": 0.5, "num_ctx": 4096}, keep_alive="5m")
        assert len(answer.message.content) > 20 and answer.done and answer.eval_count > 0
        pieces = list(client.chat(model=model, messages=USER, stream=True))
        assert len("".join(piece.message.content for piece in pieces)) > 20 and pieces[-1].done_reason == "stop"


@check
def generate():
    for model in MODELS:
        assert len(client.generate(model=model, prompt=QUESTION, system="Be brief.").response) > 20
        assert len("".join(piece.response for piece in client.generate(model=model, prompt=QUESTION, stream=True))) > 20


@check
def tools():
    for model in MODELS:
        messages = [{"role": "user", "content": ASK_TOOL}]
        answer = client.chat(model=model, messages=messages, tools=[TOOL])
        call = answer.message.tool_calls[0]
        assert call.function.name == "get_weather" and "city" in call.function.arguments, model
        messages += [answer.message, {"role": "tool", "tool_name": "get_weather", "content": "21 degrees"}]
        assert "21 degrees" in client.chat(model=model, messages=messages, tools=[TOOL]).message.content


@check
def embed():
    for model in MODELS:
        assert len(client.embed(model=model, input=["one", "two"]).embeddings) == 2


@check
def lists():
    assert "gpt" in [model.model for model in client.list().models]
    assert "tools" in client.show("llama").capabilities
    client.chat(model="llama", messages=USER)
    assert "llama" in [model.model for model in client.ps().models]


@check
def thinking():
    answer = client.chat(model="thinker", messages=USER, think=True)
    assert answer.message.thinking and answer.message.content


@check
def a_sick_instance_is_not_seen():
    for _ in range(10):
        assert client.chat(model="pair", messages=USER).done_reason == "stop"


@check
def errors():
    error = raises(ollama.ResponseError, lambda: client.chat(model="no-such-model", messages=USER))
    assert error.status_code == 404, error
    assert raises(ollama.ResponseError, lambda: client.chat(model="broken", messages=USER)).status_code == 500
    assert raises(ollama.ResponseError, lambda: client.chat(model="crowded", messages=USER)).status_code == 503
    assert raises(ollama.ResponseError, lambda: client.chat(model="gpt", messages=USER, options={"temperature": "hot"})).status_code == 400
    assert raises(ollama.ResponseError, lambda: client.chat(model="limited", messages=USER)).status_code == 429
    wrong = ollama.Client(host=URL, headers={"Authorization": "Bearer wrong"})
    assert raises(ollama.ResponseError, lambda: wrong.chat(model="gpt", messages=USER)).status_code == 401
    raises(ollama.ResponseError, lambda: list(client.chat(model="cut", messages=USER, stream=True)))


@check
def cancelling_and_parallel():
    with cancels():
        stream = client.chat(model="slow", messages=USER, stream=True)
        next(stream)
        stream.close()

    async def main():
        many = ollama.AsyncClient(host=URL, headers=AUTH)

        async def one(number):
            text = ""
            async for piece in await many.chat(model=MODELS[number % 3], messages=USER, stream=True):
                text += piece.message.content
            return len(text)

        assert all(length > 20 for length in await asyncio.gather(*(one(number) for number in range(20))))

    asyncio.run(main())


finish()
