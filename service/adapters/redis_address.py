"""The one address that says where Redis is, for redis-py and for Celery alike: plain, over TLS, or by asking Sentinel.

    redis://[user:password@]host[:port][/db]                        rediss:// for the same over TLS
    redis+sentinel://[user:password@]host[:port],host[:port]/master[/db]        rediss+sentinel:// likewise
    unix://path

After `?`: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`, `ssl_cert_reqs` (required unless said otherwise), and for the
Sentinels themselves `sentinel_username`, `sentinel_password`. Must never show an address: it may hold a password.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SENTINEL_PORT = 26379
SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
SSL_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs")
REQUIREMENTS = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """An address taken apart. `master`: the name under which Sentinels know the server; None without Sentinel."""

    url: str = field(repr=False)
    scheme: str
    nodes: tuple[tuple[str, int], ...] = ()
    """Hosts and ports of the Sentinels; empty without."""
    master: str | None = None
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_encrypted(self) -> bool:
        return self.scheme.startswith("rediss")

    @property
    def login(self) -> dict[str, str]:
        """As redis-py takes it."""
        given = {"username": self.username, "password": self.password}
        return {name: value for name, value in given.items() if value}

    @property
    def sentinel_login(self) -> dict[str, str]:
        """How the Sentinels themselves are spoken to; they have passwords of their own, or none."""
        prefix = "sentinel_"
        return {k.removeprefix(prefix): v for k, v in self.options.items() if k.startswith(prefix)}

    @property
    def encryption(self) -> dict[str, str]:
        """As redis-py's connections take it."""
        return {name: value for name, value in self.options.items() if name in SSL_OPTIONS}

    @property
    def celery_encryption(self) -> dict[str, Any] | None:
        """As Celery's `broker_use_ssl` takes it; None without TLS. Left to itself, kombu would check no certificate."""
        if not self.is_encrypted:
            return None
        asked = REQUIREMENTS[self.encryption.get("ssl_cert_reqs", "required")]
        checks = {"ssl_cert_reqs": asked, "ssl_check_hostname": asked is ssl.CERT_REQUIRED}
        return {**self.encryption, **checks}

    @property
    def celery_url(self) -> str:
        """As kombu names it: one URL for each Sentinel; no query, because that is said elsewhere."""
        if self.scheme == "unix":
            return f"redis+socket://{self.url.removeprefix('unix://')}"
        if self.master is None:
            return self.url.partition("?")[0] if self.is_encrypted else self.url
        login = ":".join(quote(part, safe="") for part in (self.username or "", self.password or ""))
        at = f"{login}@" if login != ":" else ""
        return ";".join(f"sentinel://{at}{host}:{port}/{self.db}" for host, port in self.nodes)

    @property
    def celery_options(self) -> dict[str, Any]:
        """Transport options that go with `celery_url`."""
        if self.master is None:
            return {}
        encrypted = {"ssl": True, **self.encryption} if self.is_encrypted else {}
        return {"master_name": self.master, "sentinel_kwargs": {**encrypted, **self.sentinel_login}}


def read_address(url: str) -> RedisAddress:
    """ValueError, without the address, when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError("not an address of a Redis server")
    options = dict(parse_qsl(parts.query))
    if options.get("ssl_cert_reqs", "required") not in REQUIREMENTS:
        raise ValueError("ssl_cert_reqs is required, optional or none")
    if not parts.scheme.endswith("+sentinel"):
        if parts.scheme != "unix" and not parts.hostname:
            raise ValueError("not an address of a Redis server")
        return RedisAddress(
            url=url,
            scheme=parts.scheme,
            username=unquote(parts.username or "") or None,
            password=unquote(parts.password or "") or None,
            options=options,
        )
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    master, _, database = parts.path.strip("/").partition("/")
    if not master or not all(hosts.split(",")) or not (database or "0").isdigit():
        raise ValueError("Sentinels are named as redis+sentinel://host:26379,host:26379/master")
    return RedisAddress(
        url=url,
        scheme=parts.scheme,
        nodes=tuple(_node(host) for host in hosts.split(",")),
        master=unquote(master),
        db=int(database or 0),
        username=unquote(username) or None,
        password=unquote(password) or None,
        options=options,
    )


def _node(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("a Sentinel has no host name")
    return parts.hostname, parts.port or SENTINEL_PORT
