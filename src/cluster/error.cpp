// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <corolock/cluster/error.hpp>

COROLOCK_BEGIN
namespace {

struct category final : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "corolock.cluster"; }
  [[nodiscard]] std::string message(int value) const override {
    switch (static_cast<cluster_errc>(value)) {
      case cluster_errc::invalid_url: return "not the URL of a lock server";
      case cluster_errc::invalid_name: return "not the name of a lock";
      case cluster_errc::invalid_options: return "an option is out of its range";
      case cluster_errc::unreachable: return "the lock server does not answer";
      case cluster_errc::refused: return "the lock server refuses";
      case cluster_errc::wrong_server: return "the server cannot keep locks";
      case cluster_errc::session_lost: return "the session is lost, and its locks with it";
      case cluster_errc::session_closed: return "the session is closed";
      case cluster_errc::lock_lost: return "the lock was taken away on the server";
    }
    return "unknown corolock.cluster error";
  }
};

}  // namespace

const std::error_category& cluster_error_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_error_code(cluster_errc e) noexcept {
  return {static_cast<int>(e), cluster_error_category()};
}

cluster_error::cluster_error(cluster_errc why, const std::string& what)
    : boost::system::system_error(make_error_code(why), what) {}

COROLOCK_END
