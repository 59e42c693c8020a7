"""The Celery application: how messages travel. Every option that matters for losing nothing is said explicitly.

Publishes and consumes; the tasks are added by the worker. No result backend: results stand in the record.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from service.adapters.redis_address import read_address
from service.adapters.redis_doorbell import QUEUE_OF, Queue
from service.app.settings import Settings

REDELIVER_AFTER = 120
"""Seconds until a message that a dead worker held is delivered again. People and notifications do not wait for it: the
index and the inbox have leases of their own."""


def make_celery(settings: Settings) -> Celery:
    """An application that connects to nothing until it is used."""
    celery = Celery("throughline", set_as_current=False)
    address = read_address(settings.need("redis_url"))
    celery.conf.update(
        broker_url=address.celery_url,
        broker_use_ssl=address.celery_encryption,
        broker_transport_options=_transport(settings) | address.celery_options,
        broker_connection_timeout=5,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue=Queue.PEOPLE.value,
        task_routes={job.value: {"queue": queue.value} for job, queue in QUEUE_OF.items()},
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_publish_retry=False,  # whoever rings has a second way to be noticed, and must not be kept waiting
        worker_prefetch_multiplier=2,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        enable_utc=True,
    )
    return celery


def _transport(settings: Settings) -> dict[str, Any]:
    return {
        "visibility_timeout": REDELIVER_AFTER,
        # kombu looks for messages of dead workers every interval x throttle seconds; the defaults make 100.
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "global_keyprefix": f"{settings.key_prefix}celery:",
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
