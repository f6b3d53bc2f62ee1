"""What the deployed resources promise: who may do what, what can't be dropped, when nobody is woken."""

import pytest

from search_forecast.bundle.configuration import User, load
from support.places import PROJECT

VALUES = {"service_principal": "0b9e8f2c-0000-4000-8000-000000000000", "alert_recipient": "ops@example.com"}


def resources(target, *kinds):
    bundle = load(PROJECT, user=User("ann@example.com"), target=target, variables=VALUES)
    return {f"{kind}.{key}": item for kind in kinds for key, item in bundle.resources(kind).items()}


@pytest.mark.parametrize(("target", "is_protected"), [("dev", False), ("staging", False), ("prod", True)])
def test_what_holds_data_can_be_destroyed_everywhere_but_in_prod(target, is_protected):
    holders = resources(target, "schemas", "volumes", "registered_models")

    protected = {name for name, item in holders.items() if item.get("lifecycle") == {"prevent_destroy": True}}
    assert protected == (set(holders) if is_protected else set())
    assert len(holders) >= 9


def test_the_jobs_principal_may_move_the_aliases_of_models():
    """Setting an alias needs ownership or MANAGE, which ALL_PRIVILEGES does not hold."""
    for name, model in resources("prod", "registered_models").items():
        (grant,) = model["grants"]
        assert grant == {"principal": VALUES["service_principal"], "privileges": ["ALL_PRIVILEGES", "MANAGE"]}, name


def test_analysts_may_open_the_dashboard_and_no_more():
    (dashboard,) = resources("prod", "dashboards").values()
    assert {"level": "CAN_READ", "group_name": "account users"} in dashboard["permissions"]


def test_a_skipped_run_wakes_nobody():
    for name, job in resources("prod", "jobs").items():
        assert job["notification_settings"] == {"no_alert_for_skipped_runs": True}, name
        assert "no_alert_for_skipped_runs" not in job["email_notifications"], name  # the API's deprecated place


def test_alerts_quote_the_names_that_a_deployment_puts_in():
    """A catalog may be called my-catalog."""
    for name, alert in resources("prod", "alerts").items():
        assert "`main`.`search_gold`." in alert["query_text"], name
        assert "main." not in alert["query_text"], name


def test_a_task_that_must_not_be_retried_says_so_to_serverless_compute():
    """Serverless compute retries what fails, of its own accord: a second training is a second version."""
    for name, job in resources("prod", "jobs").items():
        for task in job["tasks"]:
            if "python_wheel_task" in task and not task.get("max_retries"):
                assert task.get("disable_auto_optimization") is True, (name, task["task_key"])
