"""What the functions' role may do: `sql/rights.sql`, and nothing besides."""

from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection

RIGHTS = Path(__file__).with_name("rights.sql")

# Whoever may write idempotency keys is a role of the functions: of now, or of before a rotation, whose pods may still run.
ROLES = """
SELECT rolname
  FROM pg_roles
 WHERE oid IN (SELECT grantee
                 FROM pg_class, aclexplode(relacl)
                WHERE pg_class.oid = 'idempotency_keys'::regclass AND privilege_type = 'INSERT' AND grantee <> relowner
                UNION
               SELECT grantee
                 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl)
                WHERE attrelid = 'idempotency_keys'::regclass AND privilege_type = 'INSERT' AND grantee <> relowner)
"""
OURS = """
SELECT relname, relkind = 'S'
  FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S') AND pg_has_role(relowner, 'USAGE')
"""


def give(owner: connection, role: str) -> None:
    """Gives the role its rights, and takes all others away: from it, and from every other role that the functions had. In one
    commit, so that functions that run meanwhile never lack what they use."""
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_schema()")
        database, schema = cursor.fetchone() or ("", "")
        place = {"database": sql.Identifier(database), "schema": sql.Identifier(schema)}
        cursor.execute(OURS)
        ours = cursor.fetchall()
        cursor.execute(ROLES)
        roles = {role, *(name for (name,) in cursor.fetchall())}
        script = sql.SQL("; ").join(_script(each, ours, place) for each in sorted(roles))
        cursor.execute(script)  # one message, and so one transaction


def _script(role: str, ours: list[tuple[str, bool]], place: dict[str, sql.Identifier]) -> sql.Composed:
    names = place | {"role": sql.Identifier(role)}
    nothing = [
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON TABLES FROM {role}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} REVOKE ALL ON SEQUENCES FROM {role}",
        "REVOKE CREATE ON SCHEMA {schema} FROM {role}, PUBLIC",
        # A table of one's own, named as one of ours, would be found before it by whoever is given the same connection next.
        "REVOKE TEMPORARY ON DATABASE {database} FROM {role}, PUBLIC",
    ]
    revoked = [
        sql.SQL(f"REVOKE ALL ON {'SEQUENCE' if is_sequence else 'TABLE'} {{schema}}.{{name}} FROM {{role}}").format(
            name=sql.Identifier(name), **names
        )
        for name, is_sequence in ours
    ]
    given = [
        "GRANT CONNECT ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
        RIGHTS.read_text(encoding="utf-8"),
    ]
    statements = [*(sql.SQL(each).format(**names) for each in nothing), *revoked]
    return sql.SQL(";\n").join([*statements, *(sql.SQL(each).format(**names) for each in given)])
