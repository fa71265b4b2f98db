// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The tasks of Asio of a run and their execution context, new in each, and their executors.
//
// What is posted to a task's executor is queued in that task, first in, first out; a step of the
// task is one handler. So a task of Asio is an actor that is ready while its queue is not empty.
// Who posts to another one's queue writes what the steps of that one read.
//
// A step of Asio code may touch anything: plain variables, what stands behind a reference. The
// explorer sees none of that, so each step counts as writing `elsewhere`, and depends on every
// other one, unless its task was spawned with only_shared.

#include <corolock/explore/detail/run.hpp>

// Before the reactor, which does not stand by itself where Asio is header-only.
#include <boost/asio/detail/scheduler.hpp>
// Then the rest.
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/detail/call_stack.hpp>
#include <boost/asio/detail/concurrency_hint.hpp>
#include <boost/asio/detail/reactor.hpp>
#include <boost/asio/detail/strand_executor_service.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

COROLOCK_BEGIN
namespace explore::detail {

/// An execution context without anything to run: what is posted is in the queues of the tasks.
class asio_context final : public boost::asio::execution_context {
 public:
  // Asio's own scheduler is there, so that a raw timer, which would make one, starts no thread.
  asio_context() {
    boost::asio::add_service(*this, new boost::asio::detail::scheduler(
                                        *this, BOOST_ASIO_CONCURRENCY_HINT_UNSAFE, false));
  }
  asio_context(const asio_context&) = delete;
  asio_context& operator=(const asio_context&) = delete;
  ~asio_context() = default;

  /// Destroys the handlers that its services know of: those that wait for a lock or for time, and
  /// those that are in a strand. The services stay, for the destructors of objects that use them.
  void shut_down() { shutdown(); }
};

/// One task: its queue of handlers.
class asio_task {
 public:
  asio_task(asio_context& context, actor& a, bool only_shared) noexcept
      : context_(context), actor_(a), only_shared_(only_shared) {
    a.act_context_ = this;
    a.destroy_ = &destroy;
  }
  asio_task(const asio_task&) = delete;
  asio_task& operator=(const asio_task&) = delete;
  ~asio_task() { drop_all(); }

  [[nodiscard]] boost::asio::execution_context& context() const noexcept { return context_; }
  /// Its own step runs just now.
  [[nodiscard]] bool is_here() const noexcept { return runs_; }

  template <class Function>
  void post(Function&& f) {
    append(*new job_of<std::decay_t<Function>>(std::forward<Function>(f)));
  }

  /// Returns false if the queue was empty.
  bool drop_all() noexcept {
    const bool had_any = first_ != nullptr;
    while (first_ != nullptr) {
      delete take();
    }
    return had_any;
  }
  /// From now on what is posted is dropped, not run.
  void shut_down() noexcept { is_shut_down_ = true; }

  /// The task is destroyed while it is suspended, as by the end of its execution context.
  static void destroy(actor& a) {
    auto& self = *static_cast<asio_task*>(a.act_context_);
    if (!self.only_shared_) {
      current_run->record(objects::elsewhere, access_kind::write);
    }
    self.shut_down();
    self.context_.shut_down();
    while (self.drop_all()) {  // what is destroyed may post
    }
  }

  /// The task's own coroutine has ended.
  void ended(const std::exception_ptr& exception) {
    has_ended_ = true;
    if (exception) {
      report(exception);
    }
  }

  /// Lets a request to stop come at any time: it emits `type`.
  boost::asio::cancellation_slot cancellable(const std::stop_token& token,
                                             boost::asio::cancellation_type type) {
    signal_.emplace();
    on_stop_.emplace(token, emit_signal{this, type});
    return signal_->slot();
  }

 private:
  struct job {
    job() = default;
    job(const job&) = delete;
    job& operator=(const job&) = delete;
    virtual ~job() = default;
    virtual void run_and_delete() = 0;

    job* next_ = nullptr;
  };
  template <class Function>
  struct job_of final : job {
    template <class F>
      requires(!std::is_same_v<std::remove_cvref_t<F>, job_of>)
    explicit job_of(F&& f) : function_(std::forward<F>(f)) {}
    void run_and_delete() override {
      Function function(std::move(function_));
      delete this;
      std::move(function)();
    }

    Function function_;
  };

  struct emit_signal {
    asio_task* self;
    boost::asio::cancellation_type type;
    void operator()() const {
      self->was_cancelled_ = true;
      self->signal_->emit(type);
    }
  };

  // What Asio knows of the strands that run on this thread. A run that is left behind in the middle
  // of a step leaves its entries there: this one, at the bottom, takes them along.
  using strand_stack =
      boost::asio::detail::call_stack<boost::asio::detail::strand_executor_service::strand_impl,
                                      unsigned char>;
  static std::optional<strand_stack::context>& bottom_of_strands() {
    static thread_local std::optional<strand_stack::context> bottom;
    return bottom;
  }

  void append(job& j) {
    const bool was_empty = first_ == nullptr;
    (was_empty ? first_ : last_->next_) = &j;
    last_ = &j;
    if (is_shut_down_ || runs_) {
      return;
    }
    run& r = *current_run;
    r.record(static_cast<std::uint16_t>(objects::wait + actor_.id_), access_kind::write);
    if (was_empty) {
      r.wake(actor_);
      announce(r);
    }
  }
  job* take() noexcept {
    job* const j = first_;
    first_ = j->next_;
    return j;
  }

  // The first handler of the queue is what the task does next.
  void announce(run& r) noexcept {
    actor& a = actor_;
    a.announce(a.steps_ == 0 ? "start" : "go on", objects::elsewhere, {});
    a.site_ = a.steps_;
    a.announced_.add(static_cast<std::uint16_t>(objects::wait + a.id_), access_kind::read);
    if (!only_shared_) {
      a.announced_.add(objects::elsewhere, access_kind::write);
    }
    a.act_ = &step;
    a.act_context_ = this;
    r.announce_common(a);
  }

  static bool step(actor& a) {
    auto& self = *static_cast<asio_task*>(a.act_context_);
    run& r = *current_run;
    const std::size_t events = r.events().size();
    a.state_ = actor_state::waiting;
    bottom_of_strands().reset();
    bottom_of_strands().emplace(nullptr);
    self.runs_ = true;
    try {
      self.take()->run_and_delete();
    } catch (...) {
      self.report(std::current_exception());
    }
    self.runs_ = false;
    bottom_of_strands().reset();
    if (r.tracing() && r.events().size() == events) {
      r.note(a.steps_ == 1 ? "starts" : "goes on", {});
    }
    if (boost::asio::has_service<boost::asio::detail::reactor>(self.context_)) {
      r.fail(failure_kind::contract,
             r.actor_name(a.id_) +
                 " uses a steady_timer, a socket or another object of Asio that waits for the "
                 "outside world, which the explorer cannot order: use corolock::asio::timer, and "
                 "something else in the place of the rest");
    }
    if (self.first_ != nullptr) {
      self.announce(r);
    } else if (self.has_ended_) {
      r.finished(a);
    }
    return false;
  }

  void report(const std::exception_ptr& exception) {
    run& r = *current_run;
    const std::string who = r.actor_name(actor_.id_);
    try {
      std::rethrow_exception(exception);
    } catch (const boost::system::system_error& e) {
      // What a cancelled task ends with.
      if (!was_cancelled_ || e.code() != boost::asio::error::operation_aborted) {
        r.fail(failure_kind::exception, "an exception left " + who + ": " + e.what());
      }
    } catch (const std::exception& e) {
      r.fail(failure_kind::exception, "an exception left " + who + ": " + e.what());
    } catch (...) {
      r.fail(failure_kind::exception, "an exception left " + who);
    }
  }

  asio_context& context_;
  actor& actor_;
  const bool only_shared_;
  bool runs_ = false;
  bool has_ended_ = false;
  bool was_cancelled_ = false;
  bool is_shut_down_ = false;
  job* first_ = nullptr;
  job* last_ = nullptr;  // valid while first_ is
  std::optional<boost::asio::cancellation_signal> signal_;
  std::optional<std::stop_callback<emit_signal>> on_stop_;
};

/// The tasks of a run and their context, and with them the frames of those that wait. Where tasks
/// may be destroyed (options::destructions) each has a context of its own.
class asio_tasks {
 public:
  asio_tasks() = default;
  asio_tasks(const asio_tasks&) = delete;
  asio_tasks& operator=(const asio_tasks&) = delete;
  ~asio_tasks() { shut_down(); }

  // Handlers that are destroyed may unlock, and so post to other tasks.
  void shut_down() {
    for (const auto& task : tasks_) {
      task->shut_down();
    }
    for (const auto& context : contexts_) {
      context->shut_down();
    }
    for (bool dropped = true; dropped;) {
      dropped = false;
      for (const auto& task : tasks_) {
        dropped = task->drop_all() || dropped;
      }
    }
  }

  static asio_tasks& of(run& r) {
    if (r.attached() == nullptr) {
      r.attach(*new owner);
    }
    return *static_cast<owner&>(*r.attached()).tasks_;
  }

  asio_task& add(actor& a, bool only_shared, bool may_be_destroyed) {
    if (contexts_.empty() || may_be_destroyed) {
      contexts_.push_back(std::make_unique<asio_context>());
    }
    tasks_.push_back(std::make_unique<asio_task>(*contexts_.back(), a, only_shared));
    return *tasks_.back();
  }

 private:
  // Frames are destroyed before what the body made, which they use; the contexts themselves after
  // it, for the strands among that: when the next run ends.
  struct owner final : attachment {
    owner() = default;
    owner(const owner&) = delete;
    owner& operator=(const owner&) = delete;
    ~owner() override {
      static thread_local std::unique_ptr<asio_tasks> last;
      tasks_->shut_down();
      last = std::move(tasks_);
    }
    std::unique_ptr<asio_tasks> tasks_ = std::make_unique<asio_tasks>();
  };

  std::vector<std::unique_ptr<asio_context>> contexts_;
  std::vector<std::unique_ptr<asio_task>> tasks_;
};

/// The executor of a task.
class asio_executor {
 public:
  explicit asio_executor(asio_task& task) noexcept : task_(&task) {}

  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept {
    return task_->context();
  }
  static constexpr boost::asio::execution::mapping_t query(
      boost::asio::execution::mapping_t) noexcept {
    return boost::asio::execution::mapping.thread;
  }
  [[nodiscard]] boost::asio::execution::blocking_t query(
      boost::asio::execution::blocking_t) const noexcept {
    return may_run_now_
               ? boost::asio::execution::blocking_t(boost::asio::execution::blocking.possibly)
               : boost::asio::execution::blocking_t(boost::asio::execution::blocking.never);
  }
  [[nodiscard]] asio_executor require(boost::asio::execution::blocking_t::never_t) const noexcept {
    return {*task_, false};
  }
  [[nodiscard]] asio_executor require(
      boost::asio::execution::blocking_t::possibly_t) const noexcept {
    return {*task_, true};
  }

  template <class Function>
  void execute(Function&& f) const {
    if (may_run_now_ && task_->is_here()) {
      std::decay_t<Function> function(std::forward<Function>(f));
      function();
    } else {
      task_->post(std::forward<Function>(f));
    }
  }

  friend bool operator==(const asio_executor& a, const asio_executor& b) noexcept {
    return a.task_ == b.task_ && a.may_run_now_ == b.may_run_now_;
  }

 private:
  asio_executor(asio_task& task, bool may_run_now) noexcept
      : task_(&task), may_run_now_(may_run_now) {}

  asio_task* task_;
  bool may_run_now_ = true;
};

}  // namespace explore::detail
COROLOCK_END
