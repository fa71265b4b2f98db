// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Who asks, and what they may.

#include <marketplace/agent_record.hpp>
#include <marketplace/catalog.hpp>
#include <marketplace/http/message.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace marketplace {

/// reader < publisher < admin. Somebody without a key is anonymous, and has an owner's rights over
/// the agents whose token they show.
enum class role { anonymous, reader, publisher, admin };

/// Who sent a request.
struct caller {
  role is = role::anonymous;
  std::string actor;         ///< for the audit trail: "key <id>", "owner", "anonymous <peer>"
  std::string token_sha256;  ///< of the bearer token; empty without one
  std::string request_id;

  /// What separates callers from each other in limits and idempotency: their credential, or else
  /// their address.
  std::string identity;
};

struct access_options {
  bool closed = false;    ///< registering needs a publisher's key
  std::string admin_key;  ///< a secret with an admin's rights that no database has; may be empty
};

/// Decides. Secrets are compared by their SHA-256.
class access {
 public:
  access(catalog& keys, access_options options);

  /// Throws a problem: 401 for a credential that is none of ours. (An owner's token is known only
  /// to its agent's record, and passes here.)
  boost::asio::awaitable<caller> identify(const http::request& r) const;

  /// Throw problems, 401 or 403.
  void require_publisher(const caller& who) const;  ///< to register, in a closed marketplace
  static void require_admin(const caller& who);
  static void require_owner(const caller& who, const agent_record& record);

 private:
  catalog& keys_;
  access_options options_;
  std::string admin_sha256_;
};

}  // namespace marketplace
