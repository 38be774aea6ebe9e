"""An agent framework: OpenAI's Agents SDK, over chat completions and over responses, with a tool and in streams."""
import asyncio

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from common import ASK_TOOL, KEY, MODELS, URL, check, finish
from openai import AsyncOpenAI

set_tracing_disabled(True)
called = []


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    called.append(city)
    return f"21 degrees in {city}"


def agents():
    for model in MODELS:
        for kind in (OpenAIChatCompletionsModel, OpenAIResponsesModel):
            client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
            yield Agent(name="weather", instructions="Use your tool.", tools=[get_weather], model=kind(model=model, openai_client=client))


@check
def an_agent_calls_its_tool_and_goes_on():
    async def main():
        for agent in agents():
            called.clear()
            result = await Runner.run(agent, ASK_TOOL, max_turns=4)
            assert called and "21 degrees" in result.final_output, result.final_output

    asyncio.run(main())


@check
def an_agent_streams():
    async def main():
        for agent in agents():
            called.clear()
            result = Runner.run_streamed(agent, ASK_TOOL, max_turns=4)
            kinds = {event.type async for event in result.stream_events()}
            assert called and "raw_response_event" in kinds and "21 degrees" in result.final_output

    asyncio.run(main())


finish()
