"""What the functions of the payment service share."""

VERSION = "1.0.0"
