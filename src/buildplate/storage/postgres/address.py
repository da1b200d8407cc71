"""A PostgreSQL URL as people write it: what the driver is given of it, and what may be shown."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from buildplate.storage.errors import BadDatabaseUrl

SCHEMES = ("postgresql", "postgres")
_PASSED_ON = frozenset(
    {
        "application_name",
        "dbname",
        "host",
        "passfile",
        "password",
        "port",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
        "user",
    }
)
_ENCODE = "Write special characters of user and password in percent encoding: @ is %40, # is %23."


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL server, with a driver's name or without."""
    return url.partition("://")[0].partition("+")[0].lower() in SCHEMES


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where the database is. `dsn` holds the password; `shown` never does."""

    dsn: str = field(repr=False)
    shown: str
    database: str
    connect_seconds: float | None = None

    @classmethod
    def parse(cls, url: str) -> "PostgresAddress":
        """Read `postgresql://`, `postgres://` or `postgresql+<driver>://`. Raises BadDatabaseUrl.

        No message holds any part of the URL that could be a password.
        """
        if not is_postgres(url):
            why = "it does not begin with postgresql://"
            raise BadDatabaseUrl(why, "Write it as postgresql://user:password@host:5432/database.")
        try:
            parts = urlsplit(url)
            query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            why = "it cannot be read"
            raise BadDatabaseUrl(why, _ENCODE) from None
        if parts.fragment:
            why = "there is a # in it"
            raise BadDatabaseUrl(why, _ENCODE)
        options = dict(query)
        _check_ports(parts)
        connect = _connect_seconds(options)
        _check_options(options)
        asked = f"?{urlencode(options)}" if options else ""
        dsn = f"postgresql://{parts.netloc}{parts.path}{asked}"
        return cls(dsn, _shown(parts, options), _database(parts, options), connect)


def _check_ports(parts: SplitResult) -> None:
    for host in parts.netloc.rpartition("@")[2].split(","):
        _, colon, port = host.rpartition(":")
        if colon and not host.endswith("]") and port and not port.isdecimal():
            why = "its port is no number"
            raise BadDatabaseUrl(why, _ENCODE)


def _connect_seconds(options: dict[str, str]) -> float | None:
    text = options.pop("connect_timeout", None)
    if text is None:
        return None
    if not text.isdecimal():
        why = "connect_timeout is no number of seconds"
        raise BadDatabaseUrl(why, "Give whole seconds.")
    return float(text) or None


def _check_options(options: dict[str, str]) -> None:
    if options.get("channel_binding") == "require":
        why = "channel_binding=require cannot be kept with this driver"
        hint = "Take it out, and say sslmode=verify-full to be sure of the server."
        raise BadDatabaseUrl(why, hint)
    options.pop("channel_binding", None)
    for name in options:
        if name not in _PASSED_ON:
            known = ", ".join(sorted(_PASSED_ON | {"connect_timeout"}))
            why = f"it has an unknown parameter {name!r}"
            raise BadDatabaseUrl(why, f"Known are: {known}.")


def _database(parts: SplitResult, options: dict[str, str]) -> str:
    return options.get("dbname") or unquote(parts.path.removeprefix("/"))


def _shown(parts: SplitResult, options: dict[str, str]) -> str:
    credentials, _, host = parts.netloc.rpartition("@")
    user = unquote(credentials.partition(":")[0]) or options.get("user", "")
    place = host or options.get("host", "")
    at = f"{user}@" if user else ""
    return f"postgresql://{at}{place}/{_database(parts, options)}"
