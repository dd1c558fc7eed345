"""A payment that its customer is to confirm: 202 and what they are to do, until they did, refused, or were too late."""

import time

from tests.e2e.client import SENT_SECRETS, Answer, Client, new_key, new_trip

ENDS = {
    "customer": (201, None),
    "customer_refuses": (402, "authentication_failed"),
    "customer_absent": (402, "authentication_expired"),
}


def test_a_payment_waits_for_its_customer_and_shows_what_they_are_to_do_until_it_is_final(client: Client) -> None:
    keys, trips = {end: new_key() for end in ENDS}, {end: new_trip() for end in ENDS}

    def ask(end: str) -> Answer:
        return client.pay(keys[end], trip_id=trips[end], customer_present=True, metadata={"simulate": end})

    waiting = {end: ask(end) for end in ENDS}
    for end, answer in waiting.items():
        assert (answer.status, answer.json["status"]) == (202, "PENDING")
        assert int(answer.headers["Retry-After"]) > 0
        action = answer.json["next_action"]
        assert (action["kind"], action["expires_at"] > answer.json["created_at"]) == ("confirm", True)
        SENT_SECRETS.append(action["client_secret"])
        assert client.get(answer.headers["Location"]).json == answer.json
        [listed] = client.list(trip_id=trips[end]).json["data"]
        assert listed == {name: value for name, value in answer.json.items() if name != "next_action"}
        raw = client.get(f"/console/payments/{answer.json['payment_id']}/json").text
        assert "client_secret" not in raw
    for end, (status, code) in ENDS.items():
        while (answer := ask(end)).status not in (201, 402):
            if answer.status == 202:
                assert answer.json == waiting[end].json
            time.sleep(int(answer.headers["Retry-After"]))
        assert answer.status == status
        final = answer.json if status == 201 else answer.json["payment"]
        assert (final["payment_id"], final["failure_code"]) == (waiting[end].json["payment_id"], code)
        assert "next_action" not in answer.text
        assert client.get(waiting[end].headers["Location"]).json == final


def test_without_its_customer_it_is_declined_at_once(client: Client) -> None:
    declined = client.pay(metadata={"simulate": "customer"}).problem(402, "payment_declined")
    assert declined["failure_code"] == "authentication_required"
    wrong = client.pay(customer_present="true").problem(400, "invalid_request")
    assert [each["field"] for each in wrong["errors"]] == ["customer_present"]
