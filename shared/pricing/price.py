"""The price of a trip: the amount that came with the request, or the fare that is computed from the trip; and its driver's
share in it."""

from decimal import Decimal
from typing import NamedTuple

from shared.platform.settings import Settings
from shared.pricing.commission import compute_commission
from shared.pricing.fare import Fare, NotChargeable, compute_fare
from shared.pricing.trips import Trip, TripService, missing_distance
from shared.web.problems import Problem
from shared.web.requests import refuse_inexpressible
from shared.web.tracing import Trace


class Price(NamedTuple):
    """What to charge, and how it was computed unless the amount came with the request. `driver_id`: who drove, where that is
    known. `commission`: what of the amount is ours, where COMMISSION_RATE says so and there is a driver, whose the rest is."""

    amount: Decimal
    currency: str
    fare: Fare | None
    driver_id: str | None = None
    commission: Decimal | None = None


class Pricing:
    """The tariff of the service, and the Trip Service that it is applied to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The only cell asks no trip where it belongs: a Trip Service may call something else a cell.
        cell_names = settings.cell_names if settings.cell_label or settings.cells else ()
        self._trips = TripService(settings.trip_service_url, settings.trip_service_timeout, cell_names)

    def price(self, trip_id: int, amount: Decimal | None, driver_id: str | None, trace: Trace) -> Price:
        """The price of a completed trip, in CURRENCY: `amount` where it is given, else its fare. `driver_id` where it is given,
        else the trip's.

        Raises Problem invalid_request where the currency does not express the amount, trip_not_chargeable where the fare is
        nothing or too much, and what TripService raises.
        """
        currency = self._settings.currency
        refuse_inexpressible(amount, currency)
        fare = None
        if amount is None:
            trip = self._trips.completed_trip(trip_id, trace)
            fare = self._fare(trip_id, trip)
            amount, drove = fare.total, trip.driver_id
        else:
            drove = self._trips.driver_of_completed(trip_id, trace)
        driver, rate = driver_id or drove, self._settings.commission_rate
        commission = None if driver is None or rate is None else compute_commission(amount, rate, currency)
        return Price(amount, currency, fare, driver, commission)

    def _fare(self, trip_id: int, trip: Trip) -> Fare:
        if trip.distance_km is None:
            raise missing_distance()
        tariff = self._settings
        try:
            return compute_fare(
                tariff.base_fare, trip.distance_km, tariff.rate_per_km, trip.surge_multiplier, tariff.fare_rounding
            )
        except NotChargeable as wrong:
            raise Problem("trip_not_chargeable", f"Trip {trip_id}: {wrong}.") from wrong
