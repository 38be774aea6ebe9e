"""What the scripts share: where the gateway is, and a check that says what it checked."""
import os
import sys
import traceback

URL = os.environ["LLMDECK_URL"]
KEY = os.environ["LLMDECK_KEY"]
NARROW_KEY = os.environ["LLMDECK_NARROW_KEY"]
MODELS = ["gpt", "llama", "glm"]
QUESTION = "What are permits?"
ASK_TOOL = "Use get_weather for Paris"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

_failed = []


def check(function):
    """Runs a check at once, and notes how it ended."""
    try:
        function()
        print("ok", function.__name__)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
        print("FAILED", function.__name__)
        _failed.append(function.__name__)
    return function


def raises(kind, call):
    """Expects an exception of exactly this class, and returns it."""
    try:
        call()
    except Exception as error:  # noqa: BLE001
        assert type(error) is kind, f"{type(error)} instead of {kind}: {error}"
        return error
    raise AssertionError(f"no {kind}")


def finish():
    sys.exit(1 if _failed else 0)
