# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""Replaces names in asyncio, and puts them back."""

import asyncio
import asyncio.locks

_PLACES = (asyncio, asyncio.locks)
_originals = {}


def install(types):
    for name, replacement in types.items():
        _originals.setdefault(name, getattr(asyncio.locks, name))
        for place in _PLACES:
            setattr(place, name, replacement)


def uninstall():
    while _originals:
        name, original = _originals.popitem()
        for place in _PLACES:
            setattr(place, name, original)
