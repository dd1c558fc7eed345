"""POST /, a CloudEvent about a payment: tell the Notification Service."""

import functions_framework

from shared.events.notifications import NotificationService
from shared.platform.settings import read_settings
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
service = NotificationService(settings.notification_service_url, settings.notification_service_timeout)


@functions_framework.http
@door("notify", settings, limited=False)
def notify(call: Call) -> Answer:
    return service.notify(call.headers, call.body())
