// SPDX-License-Identifier: BSL-1.0

// The compiled part of Boost.Asio, for our own tests, examples and program.
#include <boost/asio/impl/src.hpp>
