"""Money means what each side's lc_monetary says: never a factor of a hundred."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mapper_dask.connections.pool import dispose_engines
from mapper_dask.embedded import embedded_postgres
from mapper_dask.errors import TargetError
from tests import builders
from tests.database import TEST_SETTINGS, Databases, fresh_databases

LOCALES = {"ja_JP": "no decimals", "de_DE": "a comma", "en_GB": "another sign", "en_US": "dollars"}


@pytest.fixture(scope="module")
def foreign() -> Iterator[Databases]:
    """Two databases of a server that knows some countries' money."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef: no countries' money")
    with tempfile.TemporaryDirectory() as name:  # pytest's own is not for the server's user to read
        yield from _with_locales(Path(name))


def _with_locales(folder: Path) -> Iterator[Databases]:
    for name in LOCALES:
        made = subprocess.run(
            ["localedef", "-i", name, "-f", "UTF-8", str(folder / f"{name}.UTF-8")],
            capture_output=True, check=False,
        )  # fmt: skip
        if not Path(folder / f"{name}.UTF-8").exists():
            pytest.skip(f"localedef made no {name}: {made.stderr.decode()[:200]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCPATH", str(folder))
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
        with embedded_postgres(settings=TEST_SETTINGS) as server, fresh_databases(server) as fresh:
            yield fresh


def counts_as(databases: Databases, locale: str, side: int) -> None:
    """Set what a database's sessions begin with, and end those that have begun."""
    name = databases[side].url.split("/")[3].split("?")[0]
    databases[side].execute(f"ALTER DATABASE \"{name}\" SET lc_monetary = '{locale}'")
    dispose_engines()


CASES = {
    "money": ("money", "1234.56::numeric::money"),
    "an array": ("money[]", "ARRAY[1234.56::numeric::money]"),
    "in a row": ("priced", "ROW(1, 1234.56::numeric::money)::priced"),
    "a domain": ("price", "1234.56::numeric::money"),
    "a range": ("cash", "cash(1::numeric::money, 1234.56::numeric::money)"),
    "an array of rows": ("priced[]", "ARRAY[ROW(1, 1234.56::numeric::money)::priced]"),
}
WAYS: dict[str, dict[str, Any]] = {
    "relay": {}, "arrow": {"reject_limit": 3}, "function": {"transformation_logic": lambda f: f},
    "replace": {"write_disposition": "replace"},
}  # fmt: skip


def made(databases: Databases) -> None:
    for database in databases:
        database.execute("DROP TABLE IF EXISTS m")
        for kind, name in (("TYPE", "priced"), ("TYPE", "cash"), ("DOMAIN", "price")):
            database.execute(f"DROP {kind} IF EXISTS {name}")
        database.execute("CREATE TYPE priced AS (id int, m money); CREATE DOMAIN price AS money")
        database.execute("CREATE TYPE cash AS RANGE (subtype = money)")
        columns = ", ".join(f"c{place} {kind}" for place, (kind, _) in enumerate(CASES.values()))
        database.execute(f"CREATE TABLE m (id int PRIMARY KEY, {columns})")
    databases.source.execute(f"INSERT INTO m SELECT 1, {', '.join(v for _, v in CASES.values())}")


def move(databases: Databases, sql: str, **options: Any) -> Any:
    return builders.move(databases, source_sql=sql, target_table="m", **options)


@pytest.mark.parametrize("locale", ["ja_JP.UTF-8", "de_DE.UTF-8", "en_GB.UTF-8"])
@pytest.mark.parametrize("side", [0, 1], ids=["here", "there"])
def test_another_countrys_money_is_refused_by_its_column(
    foreign: Databases, locale: str, side: int
) -> None:
    counts_as(foreign, "en_US.UTF-8", 0)
    counts_as(foreign, "en_US.UTF-8", 1)
    made(foreign)
    counts_as(foreign, locale, side)
    for place in range(len(CASES)):
        for options in WAYS.values():
            with pytest.raises(TargetError, match=f"'c{place}'") as caught:
                move(foreign, f"SELECT id, c{place} FROM m", **options)
            assert "lc_monetary" in str(caught.value)
            assert f"c{place}::numeric" in str(caught.value)
    assert foreign.target.fetch("SELECT count(*) FROM m") == [(0,)]


@pytest.mark.parametrize("locale", ["ja_JP.UTF-8", "de_DE.UTF-8", "C"])
def test_the_same_money_arrives(foreign: Databases, locale: str) -> None:
    for side in (0, 1):
        counts_as(foreign, locale, side)
    made(foreign)
    for options in WAYS.values():
        foreign.target.execute("TRUNCATE m")
        move(foreign, "SELECT * FROM m", **options).raise_for_status()
        shown = "SELECT m::text FROM m"
        assert foreign.target.fetch(shown) == foreign.source.fetch(shown)


def test_the_remedy_works(foreign: Databases) -> None:
    counts_as(foreign, "en_US.UTF-8", 0)
    counts_as(foreign, "ja_JP.UTF-8", 1)
    made(foreign)
    foreign.target.execute("ALTER TABLE m ADD n numeric")
    move(foreign, "SELECT id, c0::numeric AS n FROM m").raise_for_status()
    assert foreign.target.fetch("SELECT n::text FROM m") == [("1234.56",)]
