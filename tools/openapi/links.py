"""What may be asked next, with what an answer has."""

from typing import Any

Json = dict[str, Any]

_PAYMENT = "$response.body#/payment_id"


def of_a_payment(*operations: str, payment_id: str = _PAYMENT) -> Json:
    """Links from an answer with a payment to operations on it."""
    return {each: {"operationId": each, "parameters": {"path.payment_id": payment_id}} for each in operations}


OF_A_CHARGED = of_a_payment("get_payment", "create_refund", "list_refunds", "get_receipt", "list_events")
OF_A_PENDING = of_a_payment("get_payment", "list_refunds", "list_events")
OF_A_REFUND = of_a_payment("get_payment", "list_refunds", "get_receipt", "list_events")
OF_A_LIST = of_a_payment("get_payment", "list_refunds", payment_id="$response.body#/data/0/payment_id")


def known(paths: Json) -> Json:
    """The paths without links to operations that they do not have."""
    methods = ("get", "post")
    operations = [item[method] for item in paths.values() for method in methods if method in item]
    names = {operation["operationId"] for operation in operations}
    for operation in operations:
        for response in operation["responses"].values():
            if "links" in response:
                response["links"] = {name: link for name, link in response["links"].items() if name in names}
    return paths
