"""Money and time in words for people, as LOCALE and TIME_ZONE say. Imports Babel: only where a page is made."""

import re
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta, get_datetime_format
from babel.numbers import format_decimal, get_currency_precision, get_currency_symbol

from shared.platform.settings import Settings
from shared.rules.money import smallest_unit


class Words:
    """Writes money and time as people of a place read them.

    words = Words(settings)
    words.money(Decimal("123456.00"), "INR")   # ₹1,23,456.00 in en_IN
    words.moment(datetime.now(UTC))            # 27 Nov 2026, 2:18 am IST
    """

    def __init__(self, settings: Settings) -> None:
        self._locale = Locale.parse(settings.locale)
        self.zone = ZoneInfo(settings.time_zone)
        # The words of our pages are English: of the country whose numbers and dates are in them.
        self.language = f"en-{self._locale.territory}" if self._locale.territory else "en"

    def money(self, amount: Decimal, currency: str) -> str:
        """An amount in its currency's own format; a price with more decimals, such as one for a kilometre, keeps them."""
        # Not as many decimals as are usual in shops (CLDR has none for LBP): all in which the currency is charged.
        usual = max(2, get_currency_precision(currency)) if smallest_unit(currency) < 1 else 0
        decimals = max(usual, -int(amount.normalize().as_tuple().exponent))
        pattern = copy(self._locale.currency_formats["standard"])
        pattern.frac_prec = (decimals, decimals)
        text: str = pattern.apply(amount, self._locale, currency=currency, currency_digits=False)
        symbol = get_currency_symbol(currency, locale=self._locale)
        if symbol[-1].isalpha():  # CLDR's currencySpacing, which Babel leaves out
            text = re.sub(rf"(?<={re.escape(symbol)})(?=\d)", "\N{NO-BREAK SPACE}", text)
        return text

    def number(self, number: Decimal | int) -> str:
        """A number with all its decimals, none that are naught at its end."""
        return format_decimal(number, locale=self._locale, decimal_quantization=False)

    def moment(self, moment: datetime, *, seconds: bool = False) -> str:
        """A moment, to the minute or the second, with the zone that it is told in."""
        local = moment.astimezone(self.zone)
        time = format_time(local, "medium" if seconds else "short", locale=self._locale)
        both = str(get_datetime_format("medium", locale=self._locale)).replace("'", "")
        return f"{both.replace('{0}', time).replace('{1}', self.day(local))} {local.tzname()}"

    def day(self, day: date | datetime) -> str:
        """A day; of a moment, the one that it falls on in TIME_ZONE."""
        return format_date(day.astimezone(self.zone) if isinstance(day, datetime) else day, "medium", self._locale)

    def ago(self, moment: datetime, now: datetime) -> str:
        """How long ago a moment was, such as `3 hours ago`."""
        return format_timedelta(moment - now, add_direction=True, locale=self._locale)

    def duration(self, seconds: float) -> str:
        """A length of time in its largest unit, such as `3 hours`; below a second in milliseconds."""
        if seconds < 1:
            return f"{self.number(round(seconds * 1000))} ms"
        return format_timedelta(timedelta(seconds=seconds), locale=self._locale)
