"""What the scripts share: where the gateway is, and a check that says what it checked."""
import json
import os
import sys
import time
import traceback
import urllib.request

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


def upstream(name):
    """Returns what a simulated instance counted."""
    with urllib.request.urlopen(f"{os.environ['LLMDECK_UPSTREAMS']}/{name}", timeout=10) as answer:
        return json.load(answer)


class cancels:
    """What is done inside must end one request at the slow instance, before its answer is over."""

    def __enter__(self):
        self.before = upstream("slow")
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        begun = time.monotonic()
        while True:
            now = upstream("slow")
            if now["disconnects"] > self.before["disconnects"] and now["in_flight"] == 0:
                break
            assert time.monotonic() - begun < 5, f"the upstream request goes on: {now}"
            time.sleep(0.005)
        assert now["ok"] == self.before["ok"], now
        print(f"cancelled upstream within {(time.monotonic() - begun) * 1000:.0f} ms")


def finish():
    sys.exit(1 if _failed else 0)
