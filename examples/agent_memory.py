"""What an agent remembers: facts under keys, what it did in the event log, and what it knew at any moment before.

It prints:

    the user likes: tea
    before that: coffee
    what happened: ['message', 'tool_call', 'message']
    known when the tool was called: coffee
    the log is unchanged: True
"""

from stratadb import Strata


def main() -> None:
    with Strata.open("memory.strata") as db:
        db.event_append("message", {"from": "user", "text": "I like coffee."})
        db.kv_put("user/likes", "coffee")

        call = db.event_append("tool_call", {"tool": "search", "query": "coffee shops"})

        db.event_append("message", {"from": "user", "text": "On second thought: tea."})
        db.kv_put("user/likes", "tea")

        print("the user likes:", db.kv_get("user/likes"))
        history = db.kv_history("user/likes")
        assert history is not None
        print("before that:", history[1]["value"])
        print("what happened:", [event["event_type"] for event in db.event_list(None)])

        event = db.event_get(call)
        assert event is not None
        print("known when the tool was called:", db.kv_get("user/likes", as_of=event["timestamp"]))
        print("the log is unchanged:", db.event_verify()["valid"])


if __name__ == "__main__":
    main()
