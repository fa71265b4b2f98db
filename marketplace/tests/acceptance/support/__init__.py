# SPDX-License-Identifier: BSL-1.0
# Copyright (c) 2026 the corolock developers
"""What the black-box tests of the marketplace share."""
