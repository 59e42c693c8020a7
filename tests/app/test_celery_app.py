"""The options on which it depends that no message is lost for long, said explicitly and kept by these tests."""

from service.adapters.redis_doorbell import Job, Queue
from service.app.celery_app import make_celery
from service.app.settings import load_settings


def celery(url="redis://localhost:6379/0"):
    return make_celery(load_settings({"THROUGHLINE_REDIS_URL": url}))


def test_messages_of_dead_workers_are_looked_for_every_second():
    options = celery().conf.broker_transport_options
    assert options["unacked_restore_interval"] * options["unacked_restore_throttle"] == 1
    assert options["visibility_timeout"] == 120


def test_a_message_is_acknowledged_after_its_work():
    conf = celery().conf
    assert (conf.task_acks_late, conf.task_reject_on_worker_lost) == (True, True)
    assert 1 <= conf.worker_prefetch_multiplier <= 4


def test_nothing_but_json_is_sent_or_accepted_and_no_result_is_kept():
    conf = celery().conf
    assert (conf.task_serializer, conf.accept_content, conf.task_ignore_result) == ("json", ["json"], True)
    assert conf.result_backend is None


def test_every_job_has_its_queue():
    routes = celery().conf.task_routes
    assert {routes[job.value]["queue"] for job in Job} == {queue.value for queue in Queue}


def test_the_keys_of_one_installation_carry_its_prefix():
    assert celery().conf.broker_transport_options["global_keyprefix"] == "throughline:celery:"


def test_a_unix_socket_is_named_as_kombu_names_it():
    assert celery("unix:///run/redis.sock").conf.broker_url == "redis+socket:///run/redis.sock"
