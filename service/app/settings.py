"""Settings: from the environment (`THROUGHLINE_*`), secrets also from files (`THROUGHLINE_*_FILE`), or a TOML file.

The one place that reads the environment. Must never show a secret, not even in an error.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from service.adapters.redis_address import read_address

PREFIX = "THROUGHLINE_"
FILE_VARIABLE = "THROUGHLINE_SETTINGS_FILE"


class SettingsProblem(Exception):
    """Use this when the settings cannot be used; one line per problem, each naming the variable and the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def _address(value: str, *schemes: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError("not an address")
    return value.rstrip("/")


def _redis(value: SecretStr) -> SecretStr:
    read_address(value.get_secret_value())
    return value


def _zone(value: str) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, OSError) as failure:
        raise ValueError("not a time zone") from failure


HttpUrl = Annotated[str, AfterValidator(lambda value: _address(value, "http", "https"))]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis)]
Zone = Annotated[str, AfterValidator(_zone)]


def _a(what: str, example: str, default: Any = None, **limits: Any) -> Any:
    """A setting: what it must be, in words that finish "… must be", and an example for the error message."""
    return Field(default, description=what, examples=[example], **limits)


class Settings(BaseModel):
    """Everything a site may set. Field names in upper case after `THROUGHLINE_` are the variables."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    fhir_base_url: HttpUrl | None = _a("the base address of a FHIR server", "https://fhir.example.org/r4")
    fhir_auth_token: SecretStr | None = _a("a bearer token of the FHIR server", "<token>")
    fhir_auth_client_id: str | None = _a("the client id given at registration", "throughline", min_length=1)
    fhir_auth_client_secret: SecretStr | None = _a("the client secret given at registration", "<secret>")
    fhir_auth_client_secret_in: Literal["header", "body"] = _a("header or body", "header", "header")
    fhir_auth_private_key: SecretStr | None = _a("a private key, PEM or JWK", "<key>")
    fhir_auth_private_key_next: SecretStr | None = _a("the private key that comes next", "<key>")
    fhir_auth_private_key_previous: SecretStr | None = _a("the private key used before", "<key>")
    fhir_auth_key_id: str | None = _a("the key id (kid) registered for the private key", "2026-11")
    fhir_auth_token_url: HttpUrl | None = _a(
        "the address of the token endpoint", "https://login.example.org/token"
    )
    fhir_auth_scope: str | None = _a("the scopes to ask for", "system/*.read system/*.write")
    fhir_auth_audience: str | None = _a("whom assertions are addressed to", "https://login.example.org")
    fhir_ca_file: Path | None = _a("a file of PEM certificates", "/etc/throughline/ca.crt")
    fhir_client_certificate_file: Path | None = _a("a PEM certificate", "/etc/throughline/tls.crt")
    fhir_client_key_file: Path | None = _a("the PEM key of that certificate", "/etc/throughline/tls.key")
    fhir_timeout_seconds: float = _a("a number of seconds", "20", 20.0, gt=0)
    redis_url: RedisUrl | None = _a("the address of a Redis server", "redis://localhost:6379/0")
    key_prefix: str = _a(
        "a short text before every key in Redis", "throughline:", "throughline:", min_length=1
    )
    public_url: HttpUrl | None = _a(
        "the address at which the FHIR server reaches Throughline", "https://throughline.example.org"
    )
    secret_key: SecretStr | None = _a("a long random text", "<at least 32 characters>", min_length=16)
    secret_key_previous: SecretStr | None = _a("the secret key used before", "<as it was>", min_length=16)
    mappings_dir: Path | None = _a("a folder with pathways and value sets", "/etc/throughline/mappings")
    fhir_server: str | None = _a(
        "the name of a file in subscriptions/servers", "medplum", pattern=r"^[a-z][a-z0-9\-]{0,62}$"
    )
    subscriptions_dir: Path | None = _a("a folder that says what to watch", "/etc/throughline/subscriptions")
    accountable_practitioner: str | None = _a(
        "the reference of the person who holds what nobody else holds",
        "Practitioner/123",
        pattern=r"^(Practitioner|PractitionerRole)/[A-Za-z0-9.\-]{1,64}$",
    )
    timezone: Zone = _a("a time zone name", "America/Denver", "UTC")
    clock_file: Path | None = _a("a file that holds the time, for demonstrations", "/tmp/clock")  # noqa: S108
    lookback_days: int = _a("a whole number of days", "30", 30, ge=1, le=3660)
    directory_seconds: float = _a("how many seconds the list of staff is kept", "15", 15.0, ge=0)
    catch_up_seconds: int = _a("a whole number of seconds", "60", 60, ge=1)
    population_seconds: int = _a("a whole number of seconds", "900", 900, ge=1)
    canary_seconds: int = _a("a whole number of seconds, or 0 for none", "300", 300, ge=0)
    lease_seconds: int = _a("a whole number of seconds, at least 5", "30", 30, ge=5)
    worker_concurrency: int = _a("a number of threads from 1 to 64", "4", 4, ge=1, le=64)
    max_body_bytes: int = _a("a whole number of bytes", "5000000", 5_000_000, ge=1_000)
    max_depth: int = _a("how deep JSON may nest, from 8 to 500", "64", 64, ge=8, le=500)
    host: str = _a("the address to listen at", "0.0.0.0", "127.0.0.1", min_length=1)  # noqa: S104
    port: int = _a("a port number", "8080", 8080, ge=1, le=65535)
    mllp_host: str = _a("the address to listen at for HL7 v2", "0.0.0.0", "127.0.0.1", min_length=1)  # noqa: S104
    mllp_port: int = _a("a port number", "2575", 2575, ge=1, le=65535)
    mllp_tls_certificate: Path | None = _a("a file with the certificate chain", "/etc/throughline/mllp.pem")
    mllp_tls_key: Path | None = _a("a file with the private key", "/etc/throughline/mllp.key")
    mllp_tls_client_ca: Path | None = _a(
        "a file with the authority of client certificates", "/etc/throughline/ca.pem"
    )
    metrics_port: int | None = _a("a port number", "9090", ge=1, le=65535)
    """Where worker and scheduler show /metrics, /livez and /readyz; the web shows its own."""
    heartbeat_file: Path | None = _a("a file that a living process touches", "/run/throughline/alive")
    traces_endpoint: HttpUrl | None = _a(
        "the address that takes traces as OTLP over HTTP", "http://collector:4318/v1/traces"
    )
    log_format: Literal["json", "text"] = _a("json or text", "json", "json")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _a(
        "DEBUG, INFO, WARNING or ERROR", "INFO", "INFO"
    )

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.lease_seconds)

    @property
    def lookback(self) -> timedelta:
        return timedelta(days=self.lookback_days)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def mappings(self) -> Path:
        return self.mappings_dir or _folder("mappings")

    @property
    def subscriptions(self) -> Path:
        return self.subscriptions_dir or _folder("subscriptions")

    def need(self, name: str) -> str:
        """The setting as text; SettingsProblem with its name and an example when it was not given."""
        value = getattr(self, name)
        if value is None:
            field = Settings.model_fields[name]
            raise SettingsProblem(
                [f"{variable(name)} is missing: set it to {_remedy(name, field.description)}."]
            )
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def inherited() -> dict[str, str]:
    """The environment of this process, for processes that it starts."""
    return dict(os.environ)


def variable(name: str) -> str:
    """Name of the environment variable of a setting."""
    return PREFIX + name.upper()


def load_settings(environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings as `given` (e.g. command line options), else the environment, else the TOML file, else the defaults.

    `environ`: the process' own when None. SettingsProblem lists everything that is wrong at once.
    """
    environ = os.environ if environ is None else environ
    rows, problems = _from_toml(environ.get(FILE_VARIABLE))
    for source in (_from_environ(environ, problems), {n: (v, n) for n, v in given.items() if v is not None}):
        rows.update(source)
    values = {name: value for name, (value, _where) in rows.items()}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as failure:
        wrong = {str(error["loc"][0]) for error in failure.errors(include_input=False, include_url=False)}
        problems += [_problem(name, *rows[name]) for name in sorted(wrong)]
        raise SettingsProblem(problems) from None
    if problems:
        raise SettingsProblem(problems)
    return settings


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """A line for each THROUGHLINE_ variable that means nothing, with the nearest one that does; for a warning."""
    environ = os.environ if environ is None else environ
    known = {variable(name) for name in Settings.model_fields} | {FILE_VARIABLE}
    known |= {f"{variable(name)}_FILE" for name in secret_names()}
    lines = []
    for name in sorted(n for n in environ if n.startswith(PREFIX) and n not in known):
        near = difflib.get_close_matches(name, known, 1, 0.8)
        lines.append(
            f"{name} is not a setting and has no effect" + (f": did you mean {near[0]}?" if near else ".")
        )
    return lines


def secret_names() -> list[str]:
    """Settings whose value is never shown and may come from a `*_FILE`."""
    return [
        n
        for n, f in Settings.model_fields.items()
        if "SecretStr" in str((f.annotation, get_args(f.annotation)))
    ]


def rereading(name: str, settings: Settings, environ: Mapping[str, str] | None = None) -> Callable[[], str]:
    """A secret asked for anew each time, so that a rotated `*_FILE` takes effect without a restart."""
    environ = os.environ if environ is None else environ
    path = environ.get(f"{variable(name)}_FILE")
    if not path:
        value = settings.need(name)
        return lambda: value
    return lambda: Path(path).read_text(encoding="utf-8").strip()


# --- where values come from: name -> (value, where it stands)

Row = tuple[Any, str]


def _from_environ(environ: Mapping[str, str], problems: list[str]) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name in Settings.model_fields:
        if environ.get(variable(name), "").strip():
            rows[name] = environ[variable(name)].strip(), variable(name)
    for name in secret_names():
        where = f"{variable(name)}_FILE"
        if name in rows or not environ.get(where):
            continue
        try:
            rows[name] = Path(environ[where]).read_text(encoding="utf-8").strip(), where
        except (OSError, UnicodeDecodeError):
            problems.append(
                f"{where} names a file that cannot be read: check that it exists and may be read."
            )
    return rows


def _from_toml(path: str | None) -> tuple[dict[str, Row], list[str]]:
    if not path:
        return {}, []
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError:
        return {}, [
            f"{FILE_VARIABLE} names a file that cannot be read: check that it exists and may be read."
        ]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}, [f"{FILE_VARIABLE} names a file that is not TOML: write lines such as port = 8080."]
    rows = {key.replace("-", "_"): (value, f"{key} in {Path(path).name}") for key, value in table.items()}
    strange = sorted(set(rows) - set(Settings.model_fields))
    return {name: row for name, row in rows.items() if name not in strange}, [
        f"{rows[name][1]} is not a setting{_nearest(name)}" for name in strange
    ]


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, 1, 0.6)
    return f": did you mean {near[0].replace('_', '-')}?" if near else ": remove it."


def _problem(name: str, value: Any, where: str) -> str:
    if str(value).startswith("tcp://"):
        return (
            f"{where} was set by Kubernetes for a Service of that name: set enableServiceLinks: false on the Pod,"
            f" and it to {_remedy(name, Settings.model_fields[name].description)}."
        )
    shown = "has a value that cannot be used" if name in secret_names() else f"cannot be {str(value)[:80]!r}"
    return f"{where} {shown}: set it to {_remedy(name, Settings.model_fields[name].description)}."


def _remedy(name: str, description: str | None) -> str:
    examples = Settings.model_fields[name].examples or [""]
    return (
        f"{description}, e.g. {examples[0]}" if f"{examples[0]}" not in f"{description}" else f"{description}"
    )


def _folder(name: str) -> Path:
    """The folder of that name where we stand, else beside the package; the former when there is neither."""
    here, beside = Path.cwd() / name, Path(__file__).parents[2] / name
    return beside if beside.is_dir() and not here.is_dir() else here
