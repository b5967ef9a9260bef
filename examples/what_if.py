"""Three plans tried on three branches at once; the best one is kept, the others never happened.

It prints:

    bold: 40 left
    careful: 85 left
    greedy: 10 left
    kept: careful, 85 left
    the budget as the plans were made: 100
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from stratadb import Strata

PRICES = {"careful": [5, 10], "bold": [20, 40], "greedy": [30, 30, 30]}


def try_plan(db: Strata, name: str) -> int:
    """Carries a plan out on a branch of its own; nobody else sees it."""
    with db.session() as own:
        own.branch_fork("default", f"plan/{name}")
        own.branch_use(f"plan/{name}")
        for step, price in enumerate(PRICES[name]):
            with own.transaction(message=f"step {step}"):
                own.kv_put("budget", own.kv_get("budget") - price)
                own.kv_put(f"steps/{step}", {"price": price})
        left: int = own.kv_get("budget")
        return left


def main() -> None:
    with Strata.open("plans.strata") as db:
        db.kv_put("budget", 100)
        start = db.info()["commit_timestamp"]

        with ThreadPoolExecutor() as pool:
            results = dict(zip(PRICES, pool.map(partial(try_plan, db), PRICES), strict=True))
        for name, left in sorted(results.items()):
            print(f"{name}: {left} left")

        best = max(results, key=lambda name: results[name])
        for name in PRICES:
            if name != best:
                db.branch_delete(f"plan/{name}")
        db.branch_use(f"plan/{best}")
        print(f"kept: {best}, {db.kv_get('budget')} left")
        print("the budget as the plans were made:", db.kv_get("budget", as_of=start))


if __name__ == "__main__":
    main()
