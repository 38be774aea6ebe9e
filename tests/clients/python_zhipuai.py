"""The official Zhipu package for Python: chat, embeddings."""
from concurrent.futures import ThreadPoolExecutor

import zhipuai
from common import ASK_TOOL, KEY, MODELS, QUESTION, SCHEMA, URL, cancels, check, finish, raises

client = zhipuai.ZhipuAI(api_key=KEY, base_url=f"{URL}/api/paas/v4", disable_token_cache=True, max_retries=0)
USER = [{"role": "user", "content": QUESTION}]
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "weather", "parameters": SCHEMA}}


@check
def whole_and_stream():
    for model in MODELS:
        answer = client.chat.completions.create(model=model, messages=USER, temperature=0.5)
        assert len(answer.choices[0].message.content) > 20 and answer.usage.total_tokens > 0
        text, usage = "", None
        for chunk in client.chat.completions.create(model=model, messages=USER, stream=True):
            text += chunk.choices[0].delta.content or ""
            usage = chunk.usage or usage
        assert len(text) > 20 and usage.completion_tokens > 0, model


@check
def tools():
    for model in MODELS:
        messages = [{"role": "user", "content": ASK_TOOL}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=[TOOL], tool_choice="auto").choices[0]
        call = answer.message.tool_calls[0]
        assert answer.finish_reason == "tool_calls" and call.function.name == "get_weather"
        messages += [answer.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}]
        assert "21 degrees" in client.chat.completions.create(model=model, messages=messages, tools=[TOOL]).choices[0].message.content


@check
def a_sick_instance_is_not_seen():
    for _ in range(10):
        assert client.chat.completions.create(model="pair", messages=USER).choices[0].finish_reason == "stop"


@check
def a_cut_stream_is_told():
    try:
        chunks = list(client.chat.completions.create(model="cut", messages=USER, stream=True))
    except Exception:  # noqa: BLE001
        return
    # The package hands on what it cannot read as a chunk, so the error must be in it and no end.
    assert all(not chunk.choices or chunk.choices[0].finish_reason is None for chunk in chunks)


@check
def embeddings():
    for model in MODELS:
        assert len(client.embeddings.create(model=model, input=["one", "two"]).data) == 2


@check
def errors_have_their_classes():
    from zhipuai.core import _errors as errors
    ask = lambda model, client=client: client.chat.completions.create(model=model, messages=USER)  # noqa: E731
    wrong = zhipuai.ZhipuAI(api_key="wrong", base_url=f"{URL}/api/paas/v4", disable_token_cache=True, max_retries=0)
    raises(errors.APIAuthenticationError, lambda: ask("gpt", wrong))
    raises(errors.APIReachLimitError, lambda: ask("limited"))
    raises(errors.APIInternalError, lambda: ask("broken"))
    raises(errors.APIServerFlowExceedError, lambda: ask("crowded"))
    # The package has no class of its own for a 404.
    assert raises(errors.APIStatusError, lambda: ask("no-such-model")).status_code == 404
    raises(errors.APIRequestFailedError, lambda: client.chat.completions.create(model="gpt", messages=[]))


@check
def cancelling_and_parallel():
    with cancels():
        stream = client.chat.completions.create(model="slow", messages=USER, stream=True)
        next(iter(stream))
        stream.response.close()

    def one(number):
        chunks = client.chat.completions.create(model=MODELS[number % 3], messages=USER, stream=True)
        return len("".join(chunk.choices[0].delta.content or "" for chunk in chunks))

    with ThreadPoolExecutor(20) as pool:
        assert all(length > 20 for length in pool.map(one, range(20)))


finish()
