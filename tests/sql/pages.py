"""How many pages of 8 KiB a named statement reads, by whichever plan."""

import json
import re
from collections.abc import Iterator
from typing import Any

from shared.platform.database.statements import statement
from tests.support.sql import Sql


def pages(sql: Sql, name: str, given: dict[str, Any], plan: str) -> int:
    """What the statement reads, planned for these parameters or for any; it is undone."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement(name))))
    text = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", statement(name))
    values = ", ".join(f"%({name})s" for name in names)
    sql.run(f"PREPARE examined AS {text}")
    sql.run(f"BEGIN; SET LOCAL plan_cache_mode = force_{plan}_plan")
    try:
        said = sql.value(
            f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE examined {f'({values})' if names else ''}",
            given,
        )
    finally:
        sql.run("ROLLBACK; DEALLOCATE examined")
    top = (json.loads(said) if isinstance(said, str) else said)[0]["Plan"]
    return max(node["Shared Hit Blocks"] + node["Shared Read Blocks"] for node in nodes(top))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)
