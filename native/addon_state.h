// What the handles given to JavaScript hold, and the functions of the addon by subject. Shared by
// addon.cc, addon_queue.cc and addon_reader.cc.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "addon_call.h"
#include "engine.h"

namespace zbus {

// An engine and its line to the event loop. Used on the loop, but for `wake_pending` and the call
// of `wake`, which the flusher makes.
struct EngineState {
  std::shared_ptr<Engine> engine;
  napi_threadsafe_function wake = nullptr;  // null once released
  napi_ref on_progress = nullptr;
  std::atomic<bool> wake_pending{false};
  bool holds_loop = false;  // keeps the loop alive until what was written is synced
};

struct EngineHandle {
  static constexpr HandleKind kKind = HandleKind::kEngine;
  std::shared_ptr<EngineState> state;
};

struct QueueHandle {
  static constexpr HandleKind kKind = HandleKind::kQueue;
  std::shared_ptr<EngineState> state;
  std::shared_ptr<Queue> queue;
};

struct CursorHandle {
  static constexpr HandleKind kKind = HandleKind::kCursor;
  std::shared_ptr<EngineState> state;
  CursorRef cursor;
};

// Hands the rows of queues that have made progress to JavaScript.
void report_progress(napi_env env, EngineState& state);
// Keeps the loop alive until the flusher, which is about to get work, has told that it is done.
// False when it is kept alive already.
bool hold_loop(napi_env env, EngineState& state);
void let_loop_go(napi_env env, EngineState& state);

struct Export {
  const char* name;
  napi_callback function;
};
std::vector<Export> queue_exports();
std::vector<Export> reader_exports();

}  // namespace zbus
