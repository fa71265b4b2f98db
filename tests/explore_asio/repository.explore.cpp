// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The marketplace's repository, unmodified, with its lock and without: two agents want the same
// base_url.

#include <corolock/explore/asio.hpp>
#include <marketplace/in_memory_agent_repository.hpp>
#include <marketplace/no_lock.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <string>

namespace {

using namespace corolock;
using boost::asio::awaitable;
using boost::asio::use_awaitable;

awaitable<void> look_up(const marketplace::agent_profile&) {
  co_await boost::asio::post(use_awaitable);
}

marketplace::agent_profile agent(unsigned number) {
  marketplace::agent_profile profile;
  profile.agent_id = "00000000-0000-4000-8000-00000000000" + std::to_string(number);
  profile.base_url = "https://agent.example";
  return profile;
}

template <class Lock>
auto registrations(unsigned count, bool looks_up) {
  using repository_type = marketplace::basic_in_memory_agent_repository<Lock>;
  return [count, looks_up](explore::world& w) {
    auto& repository = w.make<repository_type>(
        "repository", looks_up ? marketplace::before_store(&look_up) : nullptr);
    auto& created = w.make<int>("created", 0);
    explore::spawn_n(w, "agent", count,
                     [&repository, &created](unsigned number) -> awaitable<void> {
                       const auto result = co_await repository.create_agent(agent(number));
                       created += result ? 1 : 0;
                     });
    w.finally([&w, &created] { w.require(created == 1, "one agent has the base_url"); });
  };
}

using locks = async_keyed_mutex<std::string>;
using marketplace::no_lock;

TEST(ExploreAsioRepository, WithoutALockASuspensionBetweenCheckAndStoreLetsTwoIn) {
  const explore::result r = explore::check(registrations<no_lock>(2, true));
  ASSERT_TRUE(r.failure);
  EXPECT_EQ(r.failure->message, "one agent has the base_url");
  EXPECT_EQ(r.failure->preemptions, 1U);
}

TEST(ExploreAsioRepository, WithTheLockOneIsLetIn) {
  for (const unsigned count : {2U, 3U}) {
    const explore::result r = explore::check(registrations<locks>(count, true));
    EXPECT_TRUE(r);
    EXPECT_EQ(r.verdict, explore::verdict::verified);
  }
}

TEST(ExploreAsioRepository, WithoutASuspensionOneIsLetInWithoutTheLockToo) {
  const explore::result r = explore::check(registrations<no_lock>(3, false));
  EXPECT_TRUE(r);
  EXPECT_EQ(r.verdict, explore::verdict::verified);
}

}  // namespace
