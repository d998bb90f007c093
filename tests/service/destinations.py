"""Where tests may send webhooks."""

from __future__ import annotations

from ipaddress import ip_network

from service.destinations import Destinations

LOCAL = Destinations([ip_network("127.0.0.0/8"), ip_network("::1")], http=True)
"""This machine."""
