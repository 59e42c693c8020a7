"""Settings: where they come from, and what somebody reads who got one wrong."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.app.exits import MEANING, Exit
from service.app.settings import (
    Settings,
    SettingsProblem,
    load_settings,
    rereading,
    secret_names,
    unknown_variables,
    variable,
)


def problems(environ, **given):
    with pytest.raises(SettingsProblem) as found:
        load_settings(environ, **given)
    return list(found.value.problems)


def test_everything_has_a_default_that_loads():
    settings = load_settings({})
    assert (settings.port, settings.lease, settings.lookback) == (
        8080,
        timedelta(seconds=30),
        timedelta(days=30),
    )
    assert settings.zone == ZoneInfo("UTC")


def test_the_environment_sets_typed_values():
    settings = load_settings(
        {
            "THROUGHLINE_FHIR_BASE_URL": "https://fhir.example.org/r4/",
            "THROUGHLINE_REDIS_URL": "redis://:hush@localhost:6379/0",
            "THROUGHLINE_TIMEZONE": "America/Denver",
            "THROUGHLINE_LEASE_SECONDS": "45",
            "THROUGHLINE_ACCOUNTABLE_PRACTITIONER": "Practitioner/7",
            "THROUGHLINE_CLOCK_FILE": "/run/clock",
        }
    )
    assert settings.fhir_base_url == "https://fhir.example.org/r4"
    assert settings.need("redis_url") == "redis://:hush@localhost:6379/0"
    assert (settings.zone, settings.lease) == (ZoneInfo("America/Denver"), timedelta(seconds=45))
    assert settings.clock_file == Path("/run/clock")


def test_an_empty_variable_counts_as_not_set():
    assert load_settings({"THROUGHLINE_PORT": "", "THROUGHLINE_REDIS_URL": " "}) == Settings()


def test_secrets_come_from_files_and_the_variable_itself_goes_first(tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    environ = {"THROUGHLINE_FHIR_AUTH_TOKEN_FILE": str(tmp_path / "token")}
    assert load_settings(environ).need("fhir_auth_token") == "from-file"
    environ["THROUGHLINE_FHIR_AUTH_TOKEN"] = "direct"
    assert load_settings(environ).need("fhir_auth_token") == "direct"


def test_a_rotated_secret_file_takes_effect_without_a_restart(tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    environ = {"THROUGHLINE_FHIR_AUTH_TOKEN_FILE": str(path)}
    token = rereading("fhir_auth_token", load_settings(environ), environ)
    path.write_text("new\n")
    assert token() == "new"


def test_every_secret_is_known_as_one():
    assert secret_names() == [
        "fhir_auth_token",
        "fhir_auth_client_secret",
        "fhir_auth_private_key",
        "fhir_auth_private_key_next",
        "fhir_auth_private_key_previous",
        "redis_url",
        "secret_key",
        "secret_key_previous",
    ]


def test_secrets_are_never_shown(tmp_path):
    environ = {
        "THROUGHLINE_FHIR_AUTH_TOKEN": "hush-token",
        "THROUGHLINE_REDIS_URL": "redis://:hush@localhost",
        "THROUGHLINE_SECRET_KEY": "hush-hush-hush-hush-hush-hush",
    }
    settings = load_settings(environ)
    assert "hush" not in f"{settings!r}{settings}{settings.model_dump()}{settings.model_dump_json()}"
    wrong = problems(environ | {"THROUGHLINE_REDIS_URL": "hush://x", "THROUGHLINE_SECRET_KEY": "hush"})
    assert wrong == [
        (
            "THROUGHLINE_REDIS_URL has a value that cannot be used: set it to the address of a Redis server, e.g."
            " redis://localhost:6379/0."
        ),
        (
            "THROUGHLINE_SECRET_KEY has a value that cannot be used: set it to a long random text, e.g. <at least 32"
            " characters>."
        ),
    ]


def test_a_settings_file_stands_below_the_environment_and_options_above(tmp_path):
    path = tmp_path / "throughline.toml"
    path.write_text('port = 1111\nlookback-days = 7\nhost = "0.0.0.0"\n')
    environ = {"THROUGHLINE_SETTINGS_FILE": str(path), "THROUGHLINE_PORT": "2222"}
    settings = load_settings(environ)
    assert (settings.port, settings.lookback_days, settings.host) == (2222, 7, "0.0.0.0")
    assert load_settings(environ, port=3333, host=None).port == 3333


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"THROUGHLINE_PORT": "abc"},
            "THROUGHLINE_PORT cannot be 'abc': set it to a port number, e.g. 8080.",
        ),
        (
            {"THROUGHLINE_PORT": "tcp://10.0.0.1:8080"},
            (
                "THROUGHLINE_PORT was set by Kubernetes for a Service of that name: set enableServiceLinks: false on the"
                " Pod, and it to a port number, e.g. 8080."
            ),
        ),
        (
            {"THROUGHLINE_FHIR_BASE_URL": "fhir.example.org"},
            (
                "THROUGHLINE_FHIR_BASE_URL cannot be 'fhir.example.org': set it to the base address of a FHIR server,"
                " e.g. https://fhir.example.org/r4."
            ),
        ),
        (
            {"THROUGHLINE_TIMEZONE": "Denver"},
            "THROUGHLINE_TIMEZONE cannot be 'Denver': set it to a time zone name, e.g. America/Denver.",
        ),
        (
            {"THROUGHLINE_ACCOUNTABLE_PRACTITIONER": "Dr. No"},
            (
                "THROUGHLINE_ACCOUNTABLE_PRACTITIONER cannot be 'Dr. No': set it to the reference of the person who holds"
                " what nobody else holds, e.g. Practitioner/123."
            ),
        ),
        (
            {"THROUGHLINE_LOG_LEVEL": "LOUD"},
            "THROUGHLINE_LOG_LEVEL cannot be 'LOUD': set it to DEBUG, INFO, WARNING or ERROR.",
        ),
        (
            {"THROUGHLINE_SECRET_KEY_FILE": "/nowhere"},
            "THROUGHLINE_SECRET_KEY_FILE names a file that cannot be read: check that it exists and may be read.",
        ),
        (
            {"THROUGHLINE_SETTINGS_FILE": "/nowhere"},
            "THROUGHLINE_SETTINGS_FILE names a file that cannot be read: check that it exists and may be read.",
        ),
    ],
)
def test_a_mistake_is_one_line_with_the_variable_and_the_remedy(environ, said):
    assert problems(environ) == [said]


def test_mistakes_in_the_settings_file_name_the_file(tmp_path):
    path = tmp_path / "throughline.toml"
    path.write_text("prot = 1\nlease-seconds = 1\n")
    assert problems({"THROUGHLINE_SETTINGS_FILE": str(path)}) == [
        "prot in throughline.toml is not a setting: did you mean port?",
        "lease-seconds in throughline.toml cannot be '1': set it to a whole number of seconds, at least 5, e.g. 30.",
    ]
    path.write_text("port: 1")
    assert problems({"THROUGHLINE_SETTINGS_FILE": str(path)}) == [
        "THROUGHLINE_SETTINGS_FILE names a file that is not TOML: write lines such as port = 8080."
    ]


def test_all_mistakes_are_told_at_once():
    assert (
        len(problems({"THROUGHLINE_PORT": "x", "THROUGHLINE_TIMEZONE": "y", "THROUGHLINE_MAX_DEPTH": "1"}))
        == 3
    )


def test_a_misspelt_variable_is_pointed_out():
    assert unknown_variables({"THROUGHLINE_REDISURL": "x", "THROUGHLINE_ZEBRAS": "x", "PATH": "x"}) == [
        "THROUGHLINE_REDISURL is not a setting and has no effect: did you mean THROUGHLINE_REDIS_URL?",
        "THROUGHLINE_ZEBRAS is not a setting and has no effect.",
    ]


def test_what_a_command_needs_is_asked_for_by_name():
    with pytest.raises(SettingsProblem) as problem:
        load_settings({}).need("fhir_base_url")
    assert str(problem.value) == (
        "THROUGHLINE_FHIR_BASE_URL is missing: set it to the base address of a FHIR server, e.g."
        " https://fhir.example.org/r4."
    )


def test_the_example_of_every_setting_is_itself_valid():
    for name, field in Settings.model_fields.items():
        example = str((field.examples or [""])[0])
        load_settings({variable(name): example * (4 if name.startswith("secret") else 1)})


def test_mappings_are_found_beside_the_package(tmp_path):
    assert load_settings({}).mappings.name == "mappings"
    assert load_settings({"THROUGHLINE_MAPPINGS_DIR": str(tmp_path)}).mappings == tmp_path


def test_the_page_for_whoever_runs_it_lists_every_setting_default_and_exit_status():
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:1] == "|"]
    listed = {row[0].split("`")[1]: row for row in rows if "THROUGHLINE_" in row[0]}
    assert set(listed) == {variable(name) for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        row = listed[variable(name)]
        assert ("●" in row[0]) == (name in secret_names()), name
        if field.default is not None:
            assert row[1].strip("`") == str(field.default).removesuffix(".0"), name
    assert {row[0]: row[1] for row in rows if row[0].isdigit()} == {str(c.value): MEANING[c] for c in Exit}
