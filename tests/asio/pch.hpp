// SPDX-License-Identifier: BSL-1.0

// What every test that includes Boost.Asio may have precompiled. A test includes what it uses all
// the same.
#pragma once

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <gtest/gtest.h>
