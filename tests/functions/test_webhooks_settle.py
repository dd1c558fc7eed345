"""What a gateway says by itself is in the books within two seconds: real functions, a gateway that sends webhooks, no sweep."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from local.waiting import await_that
