// SPDX-License-Identifier: BSL-1.0

// A consumer of the front end for Boost.Asio.
#include <corolock/version.hpp>

#include <boost/asio/io_context.hpp>

int main() {
  boost::asio::io_context context;
  context.run();
  return COROLOCK_VERSION_MAJOR;
}
