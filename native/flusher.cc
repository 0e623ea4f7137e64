#include "flusher.h"

#include <utility>

namespace zbus {

Status Flusher::start(std::function<void()> wake) {
  wake_ = std::move(wake);
  const auto main = [](void* self) -> void* {
    static_cast<Flusher*>(self)->run();
    return nullptr;
  };
  // std::thread reports failure by an exception, and the engine is built without.
  const int result = pthread_create(&thread_, nullptr, main, this);
  if (result != 0) return Status::io("pthread_create", "flusher", result);
  started_ = true;
  return {};
}

void Flusher::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
  if (started_) pthread_join(thread_, nullptr);
  started_ = false;
  std::lock_guard lock(mutex_);
  // Targets hold the context, and with it this list.
  urgent_.clear();
  dirty_.clear();
}

void Flusher::add(const FlushRef& target, Urgency urgency) {
  bool notify = false;
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    if (urgency == Urgency::kNow) {
      if (target->urgent_listed_) return;
      target->urgent_listed_ = true;
      urgent_.push_back(target);
      notify = waiting_;
    } else {
      if (target->dirty_listed_) return;
      target->dirty_listed_ = true;
      // The first one starts the interval; later ones find the thread with a deadline.
      notify = dirty_.empty() && waiting_;
      if (dirty_.empty()) interval_end_ = Clock::now() + interval_;
      dirty_.push_back(target);
    }
    if (notify) waiting_ = false;
  }
  if (notify) work_.notify_one();
}

void Flusher::report(const FlushRef& target) {
  std::lock_guard lock(mutex_);
  progress_.push_back(target);
}

std::vector<FlushRef> Flusher::take_progress() {
  std::lock_guard lock(mutex_);
  return std::exchange(progress_, {});
}

bool Flusher::idle() {
  std::lock_guard lock(mutex_);
  return urgent_.empty() && dirty_.empty() && !running_;
}

bool Flusher::next_round(std::vector<FlushRef>* round) {
  round->clear();
  std::unique_lock lock(mutex_);
  for (;;) {
    if (stopping_) return false;
    const bool due = !dirty_.empty() && Clock::now() >= interval_end_;
    if (due || !urgent_.empty()) {
      round->swap(urgent_);
      for (const FlushRef& target : *round) target->urgent_listed_ = false;
      if (due) {
        for (FlushRef& target : dirty_) {
          target->dirty_listed_ = false;
          round->push_back(std::move(target));
        }
        dirty_.clear();
      }
      running_ = true;
      return true;
    }
    waiting_ = true;
    if (dirty_.empty()) {
      work_.wait(lock);
    } else {
      work_.wait_until(lock, interval_end_);
    }
    waiting_ = false;
  }
}

void Flusher::flush_round(const std::vector<FlushRef>& round) {
  for (size_t i = 0; i < round.size(); i++) {
    const FlushTarget::Outcome outcome = round[i]->flush();
    if (outcome.progress) report(round[i]);
    if (outcome.again) add(round[i], Urgency::kInterval);
    // Nobody's acks wait for the syncs of other queues. The last one is told of below.
    if (outcome.progress && i + 1 < round.size()) wake_();
  }
  {
    std::lock_guard lock(mutex_);
    running_ = false;
  }
  wake_();
}

void Flusher::run() {
  std::vector<FlushRef> round;
  while (next_round(&round)) flush_round(round);
}

}  // namespace zbus
