// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// wait_service: knows the waits whose handlers belong to one execution context.
//
// When the context is destroyed, Asio destroys the handlers that it knows. A wait in the queue of a
// lock is not among them: its handler, and with it a suspended coroutine's frame, would never be
// freed. So every wait is registered here while it lasts, and the shutdown of the context takes
// what is left out of its queue and destroys it.

#include <corolock/detail/sync.hpp>

#include <boost/asio/execution_context.hpp>

#include <cstdint>
#include <mutex>

COROLOCK_BEGIN
namespace asio::detail {

class wait_service final : public boost::asio::execution_context::service {
 public:
  using key_type = wait_service;
  static inline boost::asio::execution_context::id id;

  // A wait that may be registered.
  class entry {
   public:
    entry() = default;
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

   protected:
    ~entry() = default;

    void enlist(boost::asio::execution_context& context) {
      wait_service& service = of(context);
      const std::lock_guard lock(service.mutex_);
      if (service.is_shut_down_) {
        return;
      }
      service_ = &service;
      next_ = service.first_;
      if (next_ != nullptr) {
        next_->previous_ = this;
      }
      service.first_ = this;
    }
    // Called before the entry is destroyed, and never while the context is shut down by another
    // thread: Asio demands that of whoever runs or destroys handlers.
    void delist() noexcept {
      if (service_ != nullptr) {
        const std::lock_guard lock(service_->mutex_);
        unlink();
      }
    }

   private:
    friend wait_service;

    // The context shuts down, and this wait has not completed.
    virtual void shut_down() noexcept = 0;

    void unlink() noexcept {
      (previous_ != nullptr ? previous_->next_ : service_->first_) = next_;
      if (next_ != nullptr) {
        next_->previous_ = previous_;
      }
      next_ = previous_ = nullptr;
      service_ = nullptr;
    }

    wait_service* service_ = nullptr;  // null: not registered
    entry* next_ = nullptr;
    entry* previous_ = nullptr;
  };

  explicit wait_service(boost::asio::execution_context& context) : service(context) {}
  ~wait_service() override {
    multi_threaded::fetch_add(services_destroyed, std::uint64_t{1}, std::memory_order_release);
  }

 private:
  // use_service() takes a lock and walks a list, so each thread remembers what it found last. A
  // context at the same address may be another one once any service has been destroyed.
  static wait_service& of(boost::asio::execution_context& context) {
    struct found {
      boost::asio::execution_context* context = nullptr;
      wait_service* service = nullptr;
      std::uint64_t destroyed = 0;
    };
    static constinit thread_local found last;
    const std::uint64_t destroyed =
        multi_threaded::load(services_destroyed, std::memory_order_acquire);
    if (last.context != &context || last.destroyed != destroyed) {
      last = {&context, &boost::asio::use_service<wait_service>(context), destroyed};
    }
    return *last.service;
  }

  void shutdown() noexcept override {
    for (;;) {
      entry* e = nullptr;
      {
        const std::lock_guard lock(mutex_);
        is_shut_down_ = true;
        e = first_;
        if (e == nullptr) {
          return;
        }
        e->unlink();
      }
      e->shut_down();  // runs destructors of handlers: they may unlock, and so complete others
    }
  }

  static inline std::uint64_t services_destroyed = 0;  // services, of all contexts

  spin_lock mutex_;
  entry* first_ = nullptr;
  bool is_shut_down_ = false;
};

}  // namespace asio::detail
COROLOCK_END
